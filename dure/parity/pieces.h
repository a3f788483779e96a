// The pieces of whole weights that ranks hold, and how those of one layout
// differ from those of another, compared in place.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/kernels/transfer.h"
#include "dure/model/weights.h"
#include "dure/parallel/data/parameter_store.h"
#include "dure/train/rank_model.h"

namespace dure::train {

// Elements that are neighbours both on a rank and in the whole weight, the
// vocabulary's padding left out.
struct Piece {
  std::int64_t first = 0;  // in the whole
  std::int64_t count = 0;
  ConstTensor values;    // (count), of the masters
  ConstTensor gradient;  // (count), of the loss times a scale
  float loss_scale = 1;

  std::int64_t end() const { return first + count; }
};

// By weight, in the order of the model's table.
using Pieces = std::vector<std::vector<Piece>>;

// All that a rank owns, until this is destroyed: no step may be taken before.
// Gradients are the last step's.
class HeldPieces {
 public:
  // Gradients are those of the loss times `loss_scale`.
  HeldPieces(Rank& rank, RankModel& rank_model, float loss_scale);

  const Pieces& all() const { return pieces_; }

 private:
  // Neighbouring elements of a weight as they are on this rank.
  struct Part {
    std::int64_t offset = 0;
    ConstTensor values;
    ConstTensor gradient;
    float loss_scale = 1;
  };

  ConstTensor host(Stream& stream, const Tensor& x);
  void add(const model::WeightSpec& spec,
           const mesh::Place& place,
           std::int64_t weight,
           const Part& part);

  std::vector<parallel::Acquired> acquired_;
  std::vector<kernels::OnHost> host_;
  Pieces pieces_;
};

// The pieces of several ranks: ascending, each element once. Throws Error,
// naming the weight and `who`, where an element of a weight has nobody that
// owns it.
Pieces merged(std::span<const Pieces* const> of_ranks,
              const std::vector<model::WeightSpec>& specs,
              const char* who);

// Largest elements by weight, apart from their signs, to which differences are
// relative; of a norm's only gain see gain_scale.h.
struct Largest {
  std::vector<float> values;
  std::vector<float> gradients;
};
Largest largest_of(const Pieces& pieces);

// Where elements of a weight are farthest from the reference's, and the first
// one that is farther than a bound allows.
struct ElementDifference {
  double worst = 0;           // relative to the largest element
  std::int64_t element = -1;  // in the whole; -1: none is too far
  float here = 0;
  float reference = 0;
};

enum class PieceOf : std::uint8_t { kValues, kGradient };

// `most` is absolute, 0 for every bit; `largest` is what `worst` is relative
// to. `reference` is merged.
struct PieceComparison {
  std::span<const Piece> here;
  std::span<const Piece> reference;
  PieceOf of = PieceOf::kValues;
  double most = 0;
  double largest = 0;
};
ElementDifference compare(const PieceComparison& comparison);

// Element i of a tensor of f32, bf16 or f16.
float float_at(const ConstTensor& x, std::int64_t i);

// Whether they are the same to every bit, but for the sign of 0 and the bits of
// what is no number.
bool same_number(double a, double b);

}  // namespace dure::train
