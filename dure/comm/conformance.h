// The suite of tests that every back end must pass (conformance_test.cpp). Each
// back end's test program compiles it in and instantiates it.
//
//   INSTANTIATE_TEST_SUITE_P(Threads, Conformance, Values(threads(2), ...));
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/comm/communicator.h"
#include "dure/comm/host_testing.h"

namespace dure::comm {

struct BackEnd {
  std::string name;
  int ranks = 1;
  // Calls the body with a new world's communicator, at once for every rank that
  // lives in this process.
  std::function<void(const Options&, const std::function<void(Communicator&)>&)>
      run;

  friend std::ostream& operator<<(std::ostream& out, const BackEnd& b) {
    return out << b.name << " of " << b.ranks;
  }
};

class Conformance : public testing::TestWithParam<BackEnd> {
 protected:
  void run(const std::function<void(Communicator&)>& body) const {
    GetParam().run(options_, body);
  }

  Options options_ = {.timeout_seconds = 60, .check = Check::kOn};
};

// Elements of any type, given and read as double.
class Elements {
 public:
  Elements() = default;
  Elements(DType dtype, const std::vector<double>& values);
  // A tensor of so many elements, all -1 (255 for u8).
  static Elements blank(DType dtype, std::int64_t count);

  Tensor tensor() { return Tensor(bytes_.data(), Shape{count_}, dtype_); }
  Tensor part(std::int64_t first, std::int64_t count) {
    return Tensor(
        bytes_.data() + first * size_of(dtype_), Shape{count}, dtype_);
  }
  std::vector<double> values() const;

 private:
  DType dtype_ = DType::kF32;
  std::int64_t count_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace dure::comm
