// A model is a list of units, such as its embedding and its blocks: what runs,
// and needs its weights, at one time. A stack runs them one after another
// (stack.h) and knows no kind.
//
// What passes from a unit to the next are streams
// (parallel/pipeline/streams.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/model/batch.h"
#include "dure/model/config.h"
#include "dure/model/keeping.h"
#include "dure/nn/attention.h"
#include "dure/nn/buffers.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/pipeline/schedule.h"
#include "dure/parallel/pipeline/streams.h"

namespace dure::model {

using parallel::StreamName;
using parallel::Streams;

// What a unit leaves for its backward. After that the next forward may come,
// whatever ctx.deferred has yet to run.
class UnitSaved {
 public:
  UnitSaved() = default;
  UnitSaved(const UnitSaved&) = delete;
  UnitSaved& operator=(const UnitSaved&) = delete;
  virtual ~UnitSaved() = default;

  // The backward will come soon: begins to bring back what it needs.
  virtual void prepare(nn::Context& /*ctx*/) {}

  // Of what is kept: not between prepare() and the backward, when it is on its
  // way (nn/buffers.h).
  virtual void for_each_buffer(const nn::BufferVisitor& visit) = 0;
};

// A unit takes the streams that it reads, and leaves those that go on.
class Unit {
 public:
  using Cache = nn::Attention::Cache;

  Unit() = default;
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;
  virtual ~Unit() = default;

  virtual std::unique_ptr<UnitSaved> make_saved() const = 0;

  // A training pass.
  virtual void forward(nn::Context& ctx,
                       Streams& streams,
                       const Batch& batch,
                       UnitSaved& saved) const = 0;

  // Given the gradients of what was left, those of what was taken; it adds to
  // its weights' gradients, or overwrites them (nn::Parameter::take_write), or
  // puts them off where ctx.deferred says so (nn/weight_queue.h).
  virtual void backward(nn::Context& ctx,
                        Streams& gradients,
                        const Batch& batch,
                        UnitSaved& saved) const = 0;

  // The forward without a backward to come, and without dropout.
  virtual void run(nn::Context& ctx,
                   Streams& streams,
                   const Batch& batch) const = 0;

  // The same of the next tokens of texts, streams being whole
  // (ctx.tensor.rows). `cache`: of cache_shape().
  virtual void read(nn::Context& ctx,
                    Streams& streams,
                    const Reading& reading,
                    const Cache& cache) const = 0;

  // (2 B, G, S, D), where it keeps keys and values of what it reads: of B
  // texts, with room for S positions.
  virtual std::optional<Shape> cache_shape(std::int64_t /*texts*/,
                                           std::int64_t /*positions*/) const {
    return std::nullopt;
  }
};

// What a unit does with its weights in each pass; nothing: it needs none. A
// backward is one pass, or two halves (parallel::Pass).
struct Accesses {
  std::optional<nn::Uses> forward = {};
  std::optional<nn::Uses> backward = {};
  std::optional<nn::Uses> input = {};
  std::optional<nn::Uses> weight = {};

  std::optional<nn::Uses> of(parallel::Pass pass) const;
};

// What a unit is made from. The parameters outlive it.
struct UnitParts {
  const ModelConfig& config;  // resolved
  std::uint64_t seed = 0;
  nn::ParameterSet& parameters;  // with the unit's weights
  mesh::Place place = {};

  mesh::Part tensor() const { return place.part(mesh::Axis::kTensor); }
};

// A unit before it is made: plain data, and how to make it.
struct UnitSpec {
  // Units are cut into the stages of a pipeline by layer (stage_split.h): one
  // whose `layer` is empty stays with the unit before it.
  std::string layer = {};  // "embedding", "block", "head"
  Accesses accesses = {};
  bool reads_tokens = false;  // ids or targets of a batch
  bool makes_loss = false;    // or logits
  std::vector<StreamName> hands_on = {};
  std::function<std::unique_ptr<Unit>(const UnitParts&)> make = {};
};

// Units [first, last): a stretch of a model, such as a stage of a pipeline.
struct UnitRange {
  int first = 0;
  int last = 0;

  bool has(int unit) const { return first <= unit && unit < last; }
  bool operator==(const UnitRange&) const = default;
};

}  // namespace dure::model
