// A stretch of a model: all of it, or a stage of a pipeline. It takes streams
// from the stretch before it, unless it has the model's first unit, and hands
// them on to the next one, unless it has the last.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/model/unit.h"
#include "dure/nn/weight_queue.h"

namespace dure::model {

class Stack {
 public:
  // What a training forward leaves for its backward, which is handed the same
  // batch. Reusable, by any stack.
  struct Saved {
    const Stack* owner = nullptr;  // whose units these are of
    std::vector<std::unique_ptr<UnitSaved>> units;
    std::vector<nn::WeightQueue> deferred;  // by unit
  };

  // Keys and values of what has been read so far, for generation: views.
  struct Cache {
    std::vector<Unit::Cache> units;  // empty ones where a unit keeps none

    // That of some neighbours among the texts.
    Cache of_texts(std::int64_t first, std::int64_t count) const;
  };

  // The units in `range` of a model's; `parts.parameters` outlive it.
  Stack(std::span<const UnitSpec> model,
        UnitRange range,
        const UnitParts& parts);

  Streams forward(nn::Context& ctx,
                  Streams streams,
                  const Batch& batch,
                  Saved& saved) const;
  Streams backward(nn::Context& ctx,
                   Streams gradients,
                   const Batch& batch,
                   Saved& saved) const;

  // The same in two halves: what the stretch before this one waits for, and
  // what is left (nn/weight_queue.h).
  Streams backward_input(nn::Context& ctx,
                         Streams gradients,
                         const Batch& batch,
                         Saved& saved) const;
  void backward_weights(nn::Context& ctx, Saved& saved) const;

  // The forward alone: without dropout, and nothing is kept.
  Streams run(nn::Context& ctx, Streams streams, const Batch& batch) const;

  // The next tokens of texts, streams being whole (ctx.tensor.rows).
  Streams read(nn::Context& ctx,
               Streams streams,
               const Reading& reading,
               const Cache& cache) const;

  // Room for so many positions of each of B texts, in `memory`, flat, of
  // cache_elements().
  Cache make_cache(Tensor memory,
                   std::int64_t texts,
                   std::int64_t positions) const;
  std::int64_t cache_elements(std::int64_t texts, std::int64_t positions) const;

  UnitRange range() const { return range_; }
  // Whether a unit here reads a batch's tokens, and whether one makes the loss.
  bool reads_tokens() const;
  bool makes_loss() const;

 private:
  // function(), with the weights that the unit uses in the pass in place.
  template <typename Function>
  void visit(nn::Context& ctx,
             std::size_t unit,
             parallel::Pass pass,
             Function&& function) const;
  void prepare(Saved& saved) const;
  Streams backward_of(nn::Context& ctx,
                      Streams gradients,
                      const Batch& batch,
                      Saved& saved,
                      parallel::Pass pass) const;

  const nn::ParameterSet* parameters_;
  UnitRange range_;
  std::vector<UnitSpec> specs_;
  std::vector<std::unique_ptr<Unit>> units_;
};

// Between passes.
void for_each_buffer(Stack::Saved& saved, const nn::BufferVisitor& visit);

}  // namespace dure::model
