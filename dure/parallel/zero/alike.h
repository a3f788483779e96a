// What several ranks of the tensor axis hold alike, of what a rank owns: their
// gradients are added up where each has a part of the sum, and they count once
// in a norm.
//
//   weight                      held alike by          each has
//   not cut (norms, biases of   all tensor ranks       the gradient, or, where
//     sums, positions)                                 rows are cut, that of
//                                                      its rows
//   rows of a key-value head    neighbours             that of its query heads
//     that is on several ranks
//
// Each of the ranks keeps the same elements of them, as all cut their buckets
// alike.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/parallel/zero/parameter_store.h"

namespace dure::parallel {

// Whether each rank's gradient is that of the whole batch, or a summand.
enum class Has : std::uint8_t { kAll, kSummand };

// Elements [first, first + count) of slices[slice].
struct Alike {
  std::size_t slice = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  int ranks = 1;  // neighbours that hold them
  Has has = Has::kAll;
  bool operator==(const Alike&) const = default;
};

// In the order of the slices, and ascending within.
std::vector<Alike> find_alike(std::span<const Slice> slices,
                              const nn::ParameterSet& parameters,
                              int tensor_ranks,
                              Rows rows);

// Pieces of the slices, in their order, and who counts each in a sum over all
// ranks: the first of those that hold it.
struct Counted {
  Slice slice;
  kernels::CountedBy counted = kernels::CountedBy::kThisRank;
};
std::vector<Counted> counted(std::span<const Slice> slices,
                             std::span<const Alike> alike,
                             mesh::Part part);

// Adds the summands up, in place.
class AlikeSums {
 public:
  // Collective over the axis, which outlives this.
  AlikeSums(const TensorAxis& axis,
            std::span<const Slice> slices,
            std::span<const Alike> alike);
  ~AlikeSums();

  void run(ParameterStore& store);

 private:
  struct Sum {
    comm::Communicator* ranks;
    Slice slice;
  };

  Stream& stream_;
  comm::SumOrder order_;
  std::vector<std::unique_ptr<comm::Communicator>> groups_;
  std::vector<Sum> sums_;  // in the order of the slices
};

}  // namespace dure::parallel
