// Up to four dimensions, row-major and dense.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "dure/base/check.h"

namespace dure {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims)
      : rank_(static_cast<int>(dims.size())) {
    DURE_CHECK(rank_ <= 4, "a tensor has 4 dimensions at most, not {}", rank_);
    std::copy(dims.begin(), dims.end(), dims_.begin());
  }

  constexpr int rank() const { return rank_; }
  constexpr std::int64_t operator[](int i) const {
    return dims_[static_cast<std::size_t>(i)];
  }
  constexpr std::int64_t elements() const {
    std::int64_t product = 1;
    for (int i = 0; i < rank_; ++i) {
      product *= (*this)[i];
    }
    return product;
  }
  bool operator==(const Shape&) const = default;

 private:
  int rank_ = 0;
  std::array<std::int64_t, 4> dims_{};
};

// "(4, 256, 768)"
std::string to_string(const Shape& shape);

}  // namespace dure
