#include "dure/nn/weight_queue.h"

namespace dure::nn {

void WeightQueue::run(Context& ctx) {
  for (std::unique_ptr<Task>& task : tasks_) {
    task->run(ctx);
  }
  tasks_.clear();  // a task may read what another owns
}

}  // namespace dure::nn
