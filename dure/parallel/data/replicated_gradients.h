// Elements of a rank's weights that other ranks of the tensor axis hold as
// well. Their gradients are added up if each rank has a summand, and they count
// once in a norm.
//
// clang-format off
//   weight                     replicated on        each rank's gradient
//   not cut (norms, biases of  all tensor ranks     complete; with rows cut,
//     sums, positions)                              that of its rows
//   rows of a key-value head   neighbours           that of its query heads
//     on several ranks
// clang-format on
//
// All tensor ranks cut their buckets alike, so the ranks that hold such
// elements own the same ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/data/parameter_store.h"
#include "dure/parallel/tensor/tensor_axis.h"

namespace dure::parallel {

// Whether each rank's gradient is complete, or a summand.
enum class Holds : std::uint8_t { kWholeGradient, kPartialSum };

// Elements [first, first + count) of slices[slice].
struct ReplicatedSlice {
  std::size_t slice = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  int ranks = 1;  // neighbours that hold them
  Holds holds = Holds::kWholeGradient;
  bool operator==(const ReplicatedSlice&) const = default;
};

// Ordered by slice, and ascending within a slice.
std::vector<ReplicatedSlice> find_replicated(std::span<const Slice> slices,
                                             const nn::ParameterSet& parameters,
                                             int tensor_ranks,
                                             Rows rows);

// Pieces of the slices, in their order. In a sum over all ranks each is counted
// by the first of the ranks that hold it.
struct Counted {
  Slice slice;
  kernels::CountedBy counted = kernels::CountedBy::kThisRank;
};
std::vector<Counted> counted(std::span<const Slice> slices,
                             std::span<const ReplicatedSlice> replicated,
                             mesh::Part part);

// Adds up the summands, in place.
class ReplicatedGradientSums {
 public:
  // Collective over the axis, which outlives this.
  ReplicatedGradientSums(const TensorAxis& axis,
                         std::span<const Slice> slices,
                         std::span<const ReplicatedSlice> replicated);
  ~ReplicatedGradientSums();

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
