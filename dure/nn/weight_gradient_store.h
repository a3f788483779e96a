// The deferred gradients of matrices.
//
// The backward of a layer has two halves: the gradient of its input, which the
// layer before it waits for, and that of its weights, which nobody waits for
// before the update [1]. If Context::deferred is set, layers do the first and
// push the second, with all that it reads, onto the queue. Run later, it gives
// the same bits.
//
//                       input half            weight half
//   matrices, biases    d_x = d_y W           d_W += d_y^T x, d_b += 1^T d_y
//   norms               all of it: their gradients are small, and come with d_x
//   embedding           all of it: it has no d_x
//   head                as matrices, where its d_y, the logits' gradient, is
//                       kept; else its forward made all of it (head_loss.h)
//
// Both factors, d_y and x, stay in memory in between: in
// Category::kActivations, and owned by the queue. So a backward gets a factor
// as an OwnedTensor&, which the queue takes. Its memory stays in place until
// the backward returns, so earlier views remain valid until then. A backward
// that defers nothing leaves the tensor to the caller to free.
//
// One factor is a stream, the other has this rank's columns of all rows. If a
// stream is cut by rows (parallel/tensor), only this rank's rows are saved, and
// they are gathered in the weight half: x, which a backward without deferral
// gathers too, and d_y a second time. That costs two all-gathers a block and
// saves part of the memory. Each gather is started one product ahead of its
// use.
//
// [1] Qi et al. 2024, arXiv:2401.10241, section 2.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "dure/nn/buffers.h"
#include "dure/nn/context.h"

namespace dure::nn {

// The factors of a layer's weight gradients, once they are made.
struct Factors {
  ConstTensor stream;   // (n, ...)   this rank's rows
  ConstTensor rows;     // (N, ...)   those of all ranks
  ConstTensor columns;  // (N, ...)   this rank's columns
};

// A layer's weight half. `make` finds the memory of weights and gradients
// through the layer's parameters when it runs, and holds no view.
struct WeightHalf {
  OwnedTensor stream;
  OwnedTensor columns;
  std::function<void(Context&, const Factors&)> make;
};

// Move-only.
class WeightGradientStore {
 public:
  WeightGradientStore() = default;
  WeightGradientStore(WeightGradientStore&&) = default;
  WeightGradientStore& operator=(WeightGradientStore&&) = default;
  WeightGradientStore(const WeightGradientStore&) = delete;
  WeightGradientStore& operator=(const WeightGradientStore&) = delete;
  ~WeightGradientStore() = default;

  void push(WeightHalf half) { halves_.push_back(std::move(half)); }

  bool empty() const { return halves_.empty(); }

  // Runs all halves in the order in which they came, and frees each, with what
  // it owns, as soon as it has run. The rows of one are gathered while the one
  // before it runs. Collective over the tensor ranks.
  void run(Context& ctx);

  void for_each_buffer(const BufferVisitor& visit);

 private:
  std::deque<WeightHalf> halves_;
};

inline void for_each_buffer(WeightGradientStore& queue,
                            const BufferVisitor& visit) {
  queue.for_each_buffer(visit);
}

// Memory for a gradient from which weights' gradients are made: workspace, or,
// if they are deferred, activations that the queue will own.
OwnedTensor room_for_weights(const Context& ctx,
                             const Shape& shape,
                             DType dtype);

}  // namespace dure::nn
