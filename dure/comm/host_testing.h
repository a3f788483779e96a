// The stream of a rank of a test, which is a thread or a process.
#pragma once

#include "dure/tensor/stream.h"

namespace dure::comm {

inline Stream& host() {
  thread_local Stream stream = host_stream();
  return stream;
}

}  // namespace dure::comm
