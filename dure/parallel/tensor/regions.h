// The two things that tensor ranks tell each other within a layer, and the
// conjugate pairs that they make.
//
//   AllRows      a stream (n, C)  ->  all rows (N, C)
//                whole: as it is          cut: all_gather
//   PartialSum   a summand (N, C) of each rank  ->  a stream (n, C)
//                whole: all_reduce        cut: reduce_scatter
//
// A region where matrices are cut is entered and left through them:
//
//                       forward       backward
//   into it             AllRows       PartialSum   f in [1, figure 3], g in [2]
//   out of it           PartialSum    AllRows      g in [1, figure 3], g-bar
//                                                  in [2, figure 5]
//
// So a sublayer costs one PartialSum forward and one backward: an all_reduce
// each, or its two halves, which move as many bytes.
//
// [1] and [2]: tensor_axis.h.
#pragma once

#include <cstdint>

#include "dure/comm/traced_work.h"
#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/tensor.h"

namespace dure::parallel {

// Gathered rows are in the arena, under Category::kWorkspace, from start() or
// get() on, as long as this. Move-only.
class AllRows {
 public:
  // `stream` must not change until this has gone.
  AllRows(const TensorAxis& axis, ConstTensor stream);

  // They are on their way; without it, get() brings them.
  void start();

  ConstTensor get();

 private:
  enum class State : std::uint8_t { kThere, kToBring, kOnTheWay };

  // Into room that this makes.
  comm::AllGather gathering();

  TensorAxis axis_;
  ConstTensor stream_;
  OwnedTensor memory_;  // cut
  ConstTensor rows_;
  State state_;
  comm::TracedWork work_;
};

class PartialSum {
 public:
  // `y`, a stream, is overwritten.
  PartialSum(const TensorAxis& axis, Tensor y);

  // This rank's summand (N, C), for the caller to write: y itself, or
  // workspace.
  Tensor summand() const { return summand_; }

  // The summand is written: y is on its way, until wait().
  void start();
  void wait() { work_.wait(); }

  // Both at once.
  void run();

 private:
  // function(name, op) of the collective.
  template <typename Function>
  void with_collective(Function&& function);

  TensorAxis axis_;
  Tensor y_;
  OwnedTensor memory_;  // cut
  Tensor summand_;
  comm::TracedWork work_;
};

// function(rows, mine) for the stretches of N rows that are, and are not, this
// rank's to complete (TensorAxis::completed), none of them empty.
template <typename Function>
void for_each_share(const TensorAxis& axis,
                    std::int64_t N,
                    Function&& function) {
  const RowRange mine = axis.completed(N);
  const std::int64_t end = mine.first + mine.count;
  const auto call = [&](RowRange rows, bool is_mine) {
    if (rows.count > 0) {
      function(rows, is_mine);
    }
  };
  call({0, mine.first}, false);
  call(mine, true);
  call({end, N - end}, false);
}

}  // namespace dure::parallel
