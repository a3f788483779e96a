// The two collectives that tensor ranks use within a layer, and the conjugate
// pairs that they make.
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
// get() on, as long as this lives. Move-only.
class AllRows {
 public:
  // `stream` must not change while this lives.
  AllRows(const TensorAxis& axis, ConstTensor stream);

  // Starts the gather; without it, get() does.
  void start();

  ConstTensor get();

 private:
  enum class State : std::uint8_t { kThere, kToBring, kOnTheWay };

  // Makes memory for the rows.
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

  // This rank's summand (N, C), for the caller to write. It is y itself, or
  // workspace.
  Tensor summand() const { return summand_; }

  // The summand has been written. Starts the sum into y, until wait().
  void start();
  void wait() { work_.wait(); }

  // Does start() and wait().
  void run();

 private:
  // Calls function(name, op) with the collective.
  template <typename Function>
  void with_collective(Function&& function);

  TensorAxis axis_;
  Tensor y_;
  OwnedTensor memory_;  // cut
  Tensor summand_;
  comm::TracedWork work_;
};

// Calls function(rows, mine) for the non-empty ranges of N rows that this rank
// completes (TensorAxis::completed), and for those that it does not.
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
