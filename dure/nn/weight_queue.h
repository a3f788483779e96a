// Gradients of matrices that a backward put off.
//
// The backward of a layer has two halves: the gradient of its input, which the
// layer before it waits for, and that of its weights, which nobody waits for
// before the update [1]. Where Context::deferred is set, layers do the first
// and push the second, with all that it reads, onto the queue. Run later, it
// comes to the same bits.
//
// [1] Qi et al. 2024, arXiv:2401.10241, section 2.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "dure/nn/context.h"

namespace dure::nn {

class WeightQueue {
 public:
  // function(Context&) makes a gradient; what it reads must live as long as the
  // queue has it: captured, or kept (keep()).
  template <typename Function>
  void push(Function&& function) {
    tasks_.push_back(std::make_unique<TaskOf<std::decay_t<Function>>>(
        std::forward<Function>(function)));
  }

  // Owns `thing` until the queue is run.
  template <typename Thing>
  void keep(Thing&& thing) {
    push([kept = std::forward<Thing>(thing)](Context& /*ctx*/) {});
  }

  bool empty() const { return tasks_.empty(); }

  // Runs all, in the order in which they came, and drops them with what they
  // own.
  void run(Context& ctx);

 private:
  class Task {
   public:
    Task() = default;
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task() = default;
    virtual void run(Context& ctx) = 0;
  };
  template <typename Function>
  class TaskOf final : public Task {
   public:
    explicit TaskOf(Function function) : function_(std::move(function)) {}
    void run(Context& ctx) override { function_(ctx); }

   private:
    Function function_;
  };

  std::vector<std::unique_ptr<Task>> tasks_;
};

}  // namespace dure::nn
