#include "dure/parallel/tensor/regions.h"

namespace dure::parallel {
namespace {

OwnedTensor room(const TensorAxis& axis, ConstTensor stream) {
  const auto [n, C] = stream.dims<2>("stream");
  return axis.arena->tensor(
      {axis.all_rows(n), C}, Category::kWorkspace, stream.dtype());
}

constexpr const char* kGatherRows = "all_gather rows";

}  // namespace

AllRows::AllRows(const TensorAxis& axis, ConstTensor stream)
    : axis_(axis),
      stream_(stream),
      rows_(stream),
      state_(axis.rows == Rows::kCut ? State::kToBring : State::kThere) {}

comm::AllGather AllRows::gathering() {
  memory_ = room(axis_, stream_);
  rows_ = memory_;
  return {.y = memory_, .x = stream_};
}

void AllRows::start() {
  if (state_ == State::kToBring) {
    work_ =
        comm::TracedWork(*axis_.stream, *axis_.ranks, kGatherRows, gathering());
    memory_.used_until(work_.event());
    state_ = State::kOnTheWay;
  }
}

ConstTensor AllRows::get() {
  if (state_ == State::kToBring) {
    comm::run_traced(*axis_.stream, *axis_.ranks, kGatherRows, gathering());
  }
  work_.wait();
  state_ = State::kThere;
  return rows_;
}

PartialSum::PartialSum(const TensorAxis& axis, Tensor y)
    : axis_(axis), y_(y), summand_(y) {
  if (axis.rows == Rows::kCut) {
    memory_ = room(axis, y);
    summand_ = memory_;
  }
}

template <typename Function>
void PartialSum::with_collective(Function&& function) {
  if (axis_.rows == Rows::kCut) {
    function("reduce_scatter rows",
             comm::ReduceScatter{
                 .y = y_, .x = summand_, .how = {.sums = axis_.sums}});
  } else {
    function(
        "all_reduce rows",
        comm::AllReduce{.y = y_, .x = summand_, .how = {.sums = axis_.sums}});
  }
}

void PartialSum::start() {
  with_collective([&](const char* name, const auto& op) {
    work_ = comm::TracedWork(*axis_.stream, *axis_.ranks, name, op);
  });
  memory_.used_until(work_.event());
}

void PartialSum::run() {
  with_collective([&](const char* name, const auto& op) {
    comm::run_traced(*axis_.stream, *axis_.ranks, name, op);
  });
}

}  // namespace dure::parallel
