// The errors of communication.
#pragma once

#include "dure/base/check.h"

namespace dure::comm {

// The back end cannot do what was asked for; Communicator::supports() says so
// beforehand.
class Unsupported : public Error {
 public:
  using Error::Error;
};

// Ranks called different collectives, or one with different sizes or types.
class Mismatch : public Error {
 public:
  using Error::Error;
};

// A collective was not finished within Options::timeout_seconds.
class Timeout : public Error {
 public:
  using Error::Error;
};

// Another rank failed; the message says which, and with what error.
class Aborted : public Error {
 public:
  using Error::Error;
};

}  // namespace dure::comm
