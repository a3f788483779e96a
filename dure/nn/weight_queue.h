// Gradients of matrices that a backward put off.
//
// The backward of a layer has two halves: the gradient of its input, which the
// layer before it waits for, and that of its weights, which nobody waits for
// before the update [1]. Where Context::deferred is set, layers do the first
// and push the second, with all that it reads, onto the queue. Run later, it
// comes to the same bits.
//
//                       input half            weight half
//   matrices, biases    d_x = d_y W           d_W += d_y^T x, d_b += 1^T d_y
//   norms               all of it: their gradients are small, and come with d_x
//   embedding           all of it: it has no d_x
//   head                as matrices, where its d_y, the logits' gradient, is
//                       kept; else its forward made all of it (head_loss.h)
//
// Both factors, d_y and x, stay in memory in between: allocated as, or left in,
// Category::kActivations, and owned by the queue. Where a stream is cut by rows
// (parallel/tensor) its own rows stay, and are gathered in the weight half: x,
// which a backward at once would gather too, and d_y a second time. That is two
// all_gathers a block for a part of the memory, each one product ahead of its
// use.
//
// [1] Qi et al. 2024, arXiv:2401.10241, section 2.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "dure/nn/context.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {

// Move-only.
class WeightQueue {
 public:
  WeightQueue() = default;
  WeightQueue(WeightQueue&&) = default;
  WeightQueue& operator=(WeightQueue&&) = default;
  WeightQueue(const WeightQueue&) = delete;
  WeightQueue& operator=(const WeightQueue&) = delete;
  ~WeightQueue() = default;

  // function(Context&) makes a gradient. What it reads must live until then:
  // captured, or kept.
  template <typename Function>
  void push(Function&& function) {
    add([call = std::forward<Function>(function)](
            Context& ctx, ConstTensor /*none*/) mutable { call(ctx); },
        std::nullopt);
  }

  // function(Context&, ConstTensor) of all rows, which come while the gradient
  // before is made.
  template <typename Function>
  void push(parallel::AllRows rows, Function&& function) {
    add(std::forward<Function>(function), std::move(rows));
  }

  // Owns `thing` until all that was pushed before has run.
  template <typename Thing>
  void keep(Thing&& thing) {
    push([kept = std::forward<Thing>(thing)](Context& /*ctx*/) {});
  }

  bool empty() const { return tasks_.empty(); }

  // Runs all, in the order in which they came, and drops each, with what it
  // owns, as soon as it has run. Collective over the tensor ranks.
  void run(Context& ctx);

 private:
  class Task {
   public:
    Task() = default;
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task() = default;
    virtual void run(Context& ctx, ConstTensor rows) = 0;
  };
  template <typename Function>
  class TaskOf final : public Task {
   public:
    explicit TaskOf(Function function) : function_(std::move(function)) {}
    void run(Context& ctx, ConstTensor rows) override { function_(ctx, rows); }

   private:
    Function function_;
  };
  struct Entry {
    std::unique_ptr<Task> task;
    std::optional<parallel::AllRows> rows;
  };

  template <typename Function>
  void add(Function&& function, std::optional<parallel::AllRows> rows) {
    tasks_.push_back({.task = std::make_unique<TaskOf<std::decay_t<Function>>>(
                          std::forward<Function>(function)),
                      .rows = std::move(rows)});
  }
  void start_next_rows();

  std::deque<Entry> tasks_;
};

// function(ctx), or function(ctx, all rows), which makes gradients of weights:
// now, or when ctx.deferred is run.
template <typename Function>
void now_or_later(Context& ctx, Function&& function) {
  if (ctx.deferred != nullptr) {
    ctx.deferred->push(std::forward<Function>(function));
  } else {
    function(ctx);
  }
}
template <typename Function>
void now_or_later(Context& ctx, parallel::AllRows rows, Function&& function) {
  if (ctx.deferred != nullptr) {
    ctx.deferred->push(std::move(rows), std::forward<Function>(function));
  } else {
    function(ctx, rows.get());
  }
}

// Memory for a gradient that those of weights are made from: workspace, or what
// the queue will hold.
OwnedTensor room_for_weights(const Context& ctx, const Shape& shape);

// A backward needs it no more: frees it, or lets the queue have it, for what
// was put off so far.
void release(Context& ctx, OwnedTensor tensor);

}  // namespace dure::nn
