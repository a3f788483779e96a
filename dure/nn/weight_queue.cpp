#include "dure/nn/weight_queue.h"

namespace dure::nn {

void WeightQueue::run(Context& ctx) {
  start_next_rows();
  while (!tasks_.empty()) {
    Entry entry = std::move(tasks_.front());
    tasks_.pop_front();
    const ConstTensor rows = entry.rows ? entry.rows->get() : ConstTensor();
    start_next_rows();
    entry.task->run(ctx, rows);
  }
}

void WeightQueue::start_next_rows() {
  for (Entry& entry : tasks_) {
    if (entry.rows) {
      entry.rows->start();
      return;
    }
  }
}

OwnedTensor room_for_weights(const Context& ctx, const Shape& shape) {
  return ctx.deferred != nullptr ? ctx.activation(shape, DType::kF32)
                                 : ctx.workspace(shape, DType::kF32);
}

void release(Context& ctx, OwnedTensor tensor) {
  if (ctx.deferred != nullptr) {
    ctx.deferred->keep(std::move(tensor));
  }
}

}  // namespace dure::nn
