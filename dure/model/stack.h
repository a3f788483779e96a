// A range of a model's units: all of it, or a stage of a pipeline. It takes
// streams from the stage before it, unless it has the model's first unit, and
// hands them to the next one, unless it has the last.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/model/unit.h"
#include "dure/nn/weight_gradient_store.h"

namespace dure::model {

class Stack {
 public:
  // A training forward's state for its backward, which gets the same batch. Any
  // stack may use it again.
  struct Saved {
    const Stack* owner = nullptr;  // the stack that the units are of
    std::vector<std::unique_ptr<UnitSaved>> units;
    std::vector<nn::WeightGradientStore> deferred;  // by unit
  };

  // The keys and values of the tokens so far, for generation: views.
  struct Cache {
    std::vector<Unit::Cache> units;  // empty for units that keep none

    // The cache of some neighbouring texts.
    Cache of_texts(std::int64_t first, std::int64_t count) const;
  };

  // The units in `range` of a model's units; `parts.parameters` outlive it.
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

  // The backward in two halves: what the stage before this one waits for, and
  // the rest (nn/weight_gradient_store.h).
  Streams backward_input(nn::Context& ctx,
                         Streams gradients,
                         const Batch& batch,
                         Saved& saved) const;
  void backward_weights(nn::Context& ctx, Saved& saved) const;

  // The forward alone: without dropout, and nothing is saved.
  Streams run(nn::Context& ctx, Streams streams, const Batch& batch) const;

  // Reads the next tokens of texts; streams are whole (ctx.tensor.rows).
  Streams read(nn::Context& ctx,
               Streams streams,
               const DecodeBatch& batch,
               const Cache& cache) const;

  // A cache for so many positions of each of B texts, in `memory`, a flat
  // tensor of cache_elements().
  Cache make_cache(Tensor memory,
                   std::int64_t texts,
                   std::int64_t positions) const;
  std::int64_t cache_elements(std::int64_t texts, std::int64_t positions) const;

  UnitRange range() const { return range_; }
  // Whether a unit here reads a batch's tokens, and whether one makes the loss.
  bool reads_tokens() const;
  bool makes_loss() const;

 private:
  // Calls function() while the weights that the unit uses in the pass are in
  // place.
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

// Called between passes.
void for_each_buffer(Stack::Saved& saved, const nn::BufferVisitor& visit);

}  // namespace dure::model
