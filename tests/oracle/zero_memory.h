// The model's state on each rank at ZeRO's stages [1, section 5 and figure 1].
//
//   stage   values     gradients   optimizer states
//   0       v n        g n         s n
//   1       v n        g n         s n / P
//   2       v n        g n / P     s n / P
//   3       v n / P    g n / P     s n / P
//
// for n elements over P ranks, and v + g + s bytes an element: 4 + 4 + 8 in
// single precision with AdamW's two means; 2 + 2 + 12 in mixed precision, where
// the states include weights in single precision.
//
// [1] Rajbhandari et al. 2020, arXiv:1910.02054.
#pragma once

#include <cstdint>

namespace dure::parallel {

struct ElementBytes {
  double values = 0;
  double gradients = 0;
  double states = 0;
};
inline constexpr ElementBytes kSinglePrecision = {4, 4, 8};
inline constexpr ElementBytes kMixedPrecision = {2, 2, 12};

struct StateBytes {
  double values = 0;
  double gradients = 0;
  double states = 0;

  double total() const { return values + gradients + states; }
};

// The bytes of each of the P `ranks` that share the state.
StateBytes bytes_per_rank(int stage,
                          double elements,
                          int ranks,
                          const ElementBytes& element);

}  // namespace dure::parallel
