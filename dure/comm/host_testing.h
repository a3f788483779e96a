// The host stream of a test's rank, which is a thread or a process.
#pragma once

#include "dure/tensor/stream.h"

namespace dure::comm {

inline Stream& host() {
  thread_local Stream stream = host_stream();
  return stream;
}

}  // namespace dure::comm
