#include "dure/parallel/tensor/regions.h"

namespace dure::parallel {
namespace {

OwnedTensor room(const TensorAxis& axis, const Shape& stream) {
  return axis.arena->tensor({axis.all_rows(stream[0]), stream[1]},
                            Category::kWorkspace);
}

}  // namespace

AllRows::AllRows(const TensorAxis& axis, ConstTensor stream) : rows_(stream) {
  if (axis.rows == Rows::kCut) {
    memory_ = room(axis, stream.shape());
    rows_ = memory_;
    work_ = comm::TracedWork(*axis.stream,
                             *axis.ranks,
                             "all_gather rows",
                             comm::AllGather{.y = memory_, .x = stream});
  }
}

ConstTensor AllRows::get() {
  work_.wait();
  return rows_;
}

PartialSum::PartialSum(const TensorAxis& axis, Tensor y)
    : axis_(axis), y_(y), summand_(y) {
  if (axis.rows == Rows::kCut) {
    memory_ = room(axis, y.shape());
    summand_ = memory_;
  }
}

void PartialSum::start() {
  if (axis_.rows == Rows::kCut) {
    work_ = comm::TracedWork(*axis_.stream,
                             *axis_.ranks,
                             "reduce_scatter rows",
                             comm::ReduceScatter{.y = y_, .x = summand_});
  } else {
    work_ = comm::TracedWork(*axis_.stream,
                             *axis_.ranks,
                             "all_reduce rows",
                             comm::AllReduce{.y = y_, .x = summand_});
  }
}

}  // namespace dure::parallel
