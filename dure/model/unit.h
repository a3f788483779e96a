// A model is a list of units, such as its embedding and its blocks. A unit
// runs, and needs its weights, as a whole. A stack runs the units one after
// another (stack.h).
//
// Streams pass from a unit to the next (parallel/pipeline/streams.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/model/activation_policy.h"
#include "dure/model/batch.h"
#include "dure/model/config.h"
#include "dure/nn/attention.h"
#include "dure/nn/buffers.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/pipeline/schedule.h"
#include "dure/parallel/pipeline/streams.h"

namespace dure::model {

using parallel::StreamName;
using parallel::Streams;

// A unit's state for its backward. After the backward the next forward may
// come, even if ctx.deferred has not run yet.
class UnitSaved {
 public:
  UnitSaved() = default;
  UnitSaved(const UnitSaved&) = delete;
  UnitSaved& operator=(const UnitSaved&) = delete;
  virtual ~UnitSaved() = default;

  // Announces the backward: begins to gather or make again what it needs.
  virtual void prepare(nn::Context& /*ctx*/) {}

  // Visits the saved memory. It must not be called between prepare() and the
  // backward, while the memory is brought back (nn/buffers.h).
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

  // Takes the gradients of its outputs and leaves those of its inputs. It adds
  // to its weights' gradients or overwrites them (nn::Parameter::take_write),
  // or defers them if ctx.deferred is set (nn/weight_gradient_store.h).
  virtual void backward(nn::Context& ctx,
                        Streams& gradients,
                        const Batch& batch,
                        UnitSaved& saved) const = 0;

  // A forward without a backward to come, and without dropout.
  virtual void run(nn::Context& ctx,
                   Streams& streams,
                   const Batch& batch) const = 0;

  // A forward of the next tokens of texts; streams are whole (ctx.tensor.rows).
  // `cache` has cache_shape().
  virtual void read(nn::Context& ctx,
                    Streams& streams,
                    const DecodeBatch& batch,
                    const Cache& cache) const = 0;

  // (2 B, G, S, D), if it caches keys and values: for B texts, with room for S
  // positions.
  virtual std::optional<Shape> cache_shape(std::int64_t /*texts*/,
                                           std::int64_t /*positions*/) const {
    return std::nullopt;
  }
};

// A unit's uses of its weights in each pass; nothing if it needs none. A
// backward is one pass, or two halves (parallel::Pass).
struct Accesses {
  std::optional<nn::Access> forward = {};
  std::optional<nn::Access> backward = {};
  std::optional<nn::Access> input = {};
  std::optional<nn::Access> weight = {};

  std::optional<nn::Access> of(parallel::Pass pass) const;
};

// The types of a model's numbers. Layers read weights in `compute`, and so are
// their activations; the residual stream and its gradient have a type of their
// own, which is `compute` or f32.
struct Types {
  DType compute = DType::kF32;
  DType residual = DType::kF32;
  DType gradients = DType::kF32;  // of weights
};

// The inputs from which a unit is made. The parameters outlive it.
struct UnitParts {
  const ModelConfig& config;  // resolved
  std::uint64_t seed = 0;
  nn::ParameterSet& parameters;  // with the unit's weights
  mesh::Place place = {};
  Types types = {};

  mesh::Part tensor() const { return place.part(mesh::Axis::kTensor); }
};

// The description of a unit: plain data, and how to make it.
struct UnitSpec {
  // Units are cut into pipeline stages by layer (stage_split.h): a unit whose
  // `layer` is empty stays with the unit before it.
  std::string layer = {};  // "embedding", "block", "head"
  Accesses accesses = {};
  bool reads_tokens = false;  // ids or targets of a batch
  bool makes_loss = false;    // or logits
  std::vector<StreamName> hands_on = {};
  std::function<std::unique_ptr<Unit>(const UnitParts&)> make = {};
};

// Units [first, last) of a model, such as a stage of a pipeline.
struct UnitRange {
  int first = 0;
  int last = 0;

  bool has(int unit) const { return first <= unit && unit < last; }
  bool operator==(const UnitRange&) const = default;
};

}  // namespace dure::model
