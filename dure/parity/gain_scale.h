// The scale of differences in the gradient of a norm's only gain.
//
// An element of another gradient is compared with the largest of its tensor,
// which says how large such a sum can be. scalenorm's gain has one element, and
// its gradient is a sum over all elements of the stream, whose terms have both
// signs. They may cancel to any small number, while their roundings do not: the
// result is no measure of these.
//
// The terms are known, though. If W is the matrix that reads the norm, the loss
// depends on gain times W alone, so that with Euler's theorem
//
//   gain d_gain = sum_ij W_ij d_W_ij
//
// and the scale is the root of the sum of squares of these terms, over gain:
// the size of a sum of as many terms of random signs, such as roundings are.
#pragma once

#include <optional>
#include <span>

#include "dure/model/weights.h"
#include "dure/parity/pieces.h"

namespace dure::train {

// The matrix that reads the norm whose only gain this weight is: the next of
// the table, or the first of all, which is the tied embedding. Nothing for
// other weights.
std::optional<std::size_t> reader_of(std::span<const model::WeightSpec> specs,
                                     std::size_t weight);

// Raises the scale of gradients of such gains to the above. `pieces` are
// merged.
void raise_gain_scales(Largest& largest,
                       const Pieces& pieces,
                       std::span<const model::WeightSpec> specs);

}  // namespace dure::train
