#include "dure/parity/gain_scale.h"

#include <algorithm>
#include <cmath>

namespace dure::train {
namespace {

bool is_only_gain(const model::WeightSpec& spec) {
  return spec.part == model::WeightKind::kNorm &&
         mesh::elements(spec.logical) == 1;
}

bool is_matrix(const model::WeightSpec& spec) {
  return spec.logical.size() == 2;
}

// The sum of (W_ij d_W_ij)^2.
double squares_of_terms(std::span<const Piece> matrix) {
  double sum = 0;
  for (const Piece& piece : matrix) {
    for (std::int64_t i = 0; i < piece.count; ++i) {
      const double term =
          static_cast<double>(float_at(piece.values, i)) *
          (static_cast<double>(float_at(piece.gradient, i)) / piece.loss_scale);
      sum += term * term;
    }
  }
  return sum;
}

}  // namespace

std::optional<std::size_t> reader_of(std::span<const model::WeightSpec> specs,
                                     std::size_t weight) {
  if (!is_only_gain(specs[weight])) {
    return std::nullopt;
  }
  const auto next =
      std::find_if(specs.begin() + static_cast<std::ptrdiff_t>(weight),
                   specs.end(),
                   is_matrix);
  const auto reader = next != specs.end()
                          ? next
                          : std::find_if(specs.begin(), specs.end(), is_matrix);
  return static_cast<std::size_t>(reader - specs.begin());
}

void raise_gain_scales(Largest& largest,
                       const Pieces& pieces,
                       std::span<const model::WeightSpec> specs) {
  for (std::size_t w = 0; w < specs.size(); ++w) {
    const auto reader = reader_of(specs, w);
    const double gain =
        reader ? std::fabs(float_at(pieces[w].front().values, 0)) : 0;
    if (gain > 0) {
      const double terms = std::sqrt(squares_of_terms(pieces[*reader])) / gain;
      largest.gradients[w] =
          std::max(largest.gradients[w], static_cast<float>(terms));
    }
  }
}

}  // namespace dure::train
