#include "dure/parallel/data/replicated_gradients.h"

#include <algorithm>
#include <map>

#include "dure/comm/groups.h"
#include "dure/comm/traced_work.h"

namespace dure::parallel {
namespace {

using kernels::CountedBy;

// Elements [first, last) of a rank's part of a weight.
struct Section {
  std::int64_t first = 0;
  std::int64_t last = 0;
  int ranks = 1;
  Holds holds = Holds::kWholeGradient;
};

// The elements of the dims from this one on.
std::int64_t elements_from(const Shape& shape, int dim) {
  std::int64_t elements = 1;
  for (int d = dim; d < shape.rank(); ++d) {
    elements *= shape[d];
  }
  return elements;
}

// The sections of a cut weight that several neighbours hold; all of an uncut
// weight.
std::vector<Section> replicated_sections(const nn::Parameter& parameter,
                                         int tensor_ranks,
                                         Rows rows) {
  const std::int64_t elements = parameter.value.elements();
  const mesh::Cut* cut = cut_along(parameter.placement, mesh::Axis::kTensor);
  if (cut == nullptr) {
    return {{.first = 0,
             .last = elements,
             .ranks = tensor_ranks,
             .holds = rows == Rows::kCut ? Holds::kPartialSum
                                         : Holds::kWholeGradient}};
  }
  const mesh::Dims copies = copies_of(*cut, tensor_ranks);
  const Shape& shape = parameter.value.shape();
  const std::int64_t inner = elements_from(shape, cut->dim + 1);
  std::vector<Section> replicated;
  for (std::int64_t at = 0; at < elements;) {
    for (std::size_t s = 0; s < copies.size(); ++s) {
      const std::int64_t length =
          cut->sections.empty() ? shape[cut->dim]
                                : cut->sections[s] / (tensor_ranks / copies[s]);
      const std::int64_t last = at + length * inner;
      if (copies[s] > 1) {
        replicated.push_back(
            {at, last, static_cast<int>(copies[s]), Holds::kPartialSum});
      }
      at = last;
    }
  }
  return replicated;
}

// Elements [first, last) of a slice.
Slice piece_of(const Slice& slice, std::int64_t first, std::int64_t last) {
  Slice piece = slice;
  piece.offset += first;
  piece.place += first;
  piece.elements = last - first;
  return piece;
}

std::vector<std::vector<int>> neighbours(int ranks, int count) {
  std::vector<std::vector<int>> groups;
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank % count == 0) {
      groups.emplace_back();
    }
    groups.back().push_back(rank);
  }
  return groups;
}

}  // namespace

std::vector<ReplicatedSlice> find_replicated(std::span<const Slice> slices,
                                             const nn::ParameterSet& parameters,
                                             int tensor_ranks,
                                             Rows rows) {
  std::vector<ReplicatedSlice> replicated;
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const nn::Parameter& parameter = parameters[slices[s].weight];
    const std::int64_t begin = slices[s].offset;
    const std::int64_t end = begin + slices[s].elements;
    for (const Section& section :
         replicated_sections(parameter, tensor_ranks, rows)) {
      const std::int64_t first = std::max(begin, section.first);
      const std::int64_t last = std::min(end, section.last);
      if (first < last) {
        replicated.push_back({.slice = s,
                              .first = first - begin,
                              .count = last - first,
                              .ranks = section.ranks,
                              .holds = section.holds});
      }
    }
  }
  return replicated;
}

std::vector<Counted> counted(std::span<const Slice> slices,
                             std::span<const ReplicatedSlice> replicated,
                             mesh::Part part) {
  std::vector<Counted> pieces;
  auto next = replicated.begin();
  for (std::size_t s = 0; s < slices.size(); ++s) {
    std::int64_t at = 0;
    const auto add = [&](std::int64_t end, CountedBy by) {
      if (at < end) {
        pieces.push_back({piece_of(slices[s], at, end), by});
        at = end;
      }
    };
    for (; next != replicated.end() && next->slice == s; ++next) {
      if (part.index % next->ranks != 0) {
        add(next->first, CountedBy::kThisRank);
        add(next->first + next->count, CountedBy::kAnother);
      }
    }
    add(slices[s].elements, CountedBy::kThisRank);
  }
  return pieces;
}

ReplicatedGradientSums::ReplicatedGradientSums(
    const TensorAxis& axis,
    std::span<const Slice> slices,
    std::span<const ReplicatedSlice> replicated)
    : stream_(*axis.stream), order_(axis.sums) {
  const int all = axis.ranks->size();
  std::map<int, comm::Communicator*> group_of = {{all, axis.ranks}};
  for (const ReplicatedSlice& range : replicated) {
    if (range.holds == Holds::kWholeGradient) {
      continue;
    }
    auto& group = group_of[range.ranks];
    if (group == nullptr) {
      groups_.push_back(
          my_group(*axis.ranks, neighbours(all, range.ranks), "tensor"));
      group = groups_.back().get();
    }
    sums_.push_back(
        {group,
         piece_of(
             slices[range.slice], range.first, range.first + range.count)});
  }
}

ReplicatedGradientSums::~ReplicatedGradientSums() = default;

void ReplicatedGradientSums::run(ParameterStore& store) {
  for (const Sum& sum : sums_) {
    const Acquired acquired =
        store.acquire(sum.slice.bucket, {.gradient = Access::kWrite});
    const Tensor gradient = acquired.shard(sum.slice).gradient;
    comm::run_traced(
        stream_,
        *sum.ranks,
        "all_reduce gradients held alike",
        comm::AllReduce{.y = gradient, .x = gradient, .how = {.sums = order_}});
  }
}

}  // namespace dure::parallel
