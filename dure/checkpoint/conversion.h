// The conversion of weights from one kind of files to another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/checkpoint/weight_source.h"

namespace dure::checkpoint {

class Conversion {
 public:
  explicit Conversion(const WeightSource& source) : source_(source) {}

  // Does WeightSource::read(), and throws Error if a value is NaN or infinite.
  void read(const std::string& weight,
            FileDtype dtype,
            std::span<std::byte> out);

  // A sentence for each change that is no error.
  std::vector<std::string> notes() const;

 private:
  const WeightSource& source_;
  std::int64_t elements_ = 0;
  std::int64_t vanished_ = 0;
};

}  // namespace dure::checkpoint
