// A block whose gradients of matrices are deferred: the same bits, and memory
// to the byte.
#include <algorithm>
#include <deque>
#include <fmt/core.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dure/kernels/testing.h"
#include "dure/model/saved_block.h"
#include "dure/model/weights.h"
#include "dure/nn/rank_testing.h"
#include "dure/nn/weight_gradient_store.h"
#include "tests/oracle/activation_memory.h"

namespace dure::model {
namespace {

using kernels::random_values;
using kernels::Values;
using nn::Context;
using nn::WeightGradientStore;
using parallel::Rows;

constexpr std::int64_t kSamples = 2;
constexpr std::int64_t kSequence = 6;
constexpr std::int64_t kN = kSamples * kSequence;
constexpr std::int64_t kC = 32;
constexpr int kMicroBatches = 3;
constexpr float kUntouched = 1e30F;

// 100 columns are not whole blocks of memory on any number of ranks.
ModelConfig gpt() {
  return resolve({.layers = 1,
                  .hidden = kC,
                  .heads = 4,
                  .ffn_hidden = 100,
                  .vocabulary = 61,
                  .max_sequence = kSequence});
}
ModelConfig gpt_with_dropout() {
  ModelConfig config = gpt();
  config.dropout = 0.1;
  return config;
}
ModelConfig llama() {
  ModelConfig config = gpt();
  config.norm = &nn::kRmsNorm;
  config.position = Position::kRope;
  config.activation = Activation::kSwiglu;
  config.bias = false;
  config.kv_heads = 2;
  return config;
}

// A block on one rank, with its parameters.
class OneBlock {
 public:
  OneBlock(const ModelConfig& config, mesh::Part part) {
    for (const WeightSpec& spec : weights(config, part.count)) {
      if (spec.block == 0) {
        add(spec, part);
      }
    }
    block_.emplace(
        UnitParts{.config = config,
                  .seed = 1234,
                  .parameters = parameters_,
                  .place = mesh::Place().with(mesh::Axis::kTensor, part)},
        0);
    for (std::int64_t i = 0; i < kN; ++i) {
      positions_.push_back(static_cast<std::int32_t>(i % kSequence));
    }
  }

  const Block& block() const { return *block_; }
  ConstTensor positions() const { return {positions_.data(), Shape{kN}}; }

  // The gradients of norms, and those of matrices and their biases.
  std::vector<Values> of_norms() const { return gradients_where(true); }
  std::vector<Values> of_matrices() const { return gradients_where(false); }

 private:
  void add(const WeightSpec& spec, mesh::Part part) {
    const mesh::Dims dims =
        local_shape(spec.shape,
                    spec.placement,
                    mesh::Place().with(mesh::Axis::kTensor, part));
    const Shape shape =
        dims.size() == 1 ? Shape{dims[0]} : Shape{dims[0], dims[1]};
    nn::Parameter& parameter = parameters_.add(spec.name,
                                               shape,
                                               {DType::kF32, DType::kF32},
                                               spec.placement,
                                               spec.decay == Decay::kYes,
                                               spec.units);
    memory_.push_back(random_values(shape.elements(), spec.name.c_str(), 0.2));
    parameter.value = kernels::tensor(memory_.back(), shape);
    memory_.emplace_back(shape.elements(), kUntouched);
    parameter.gradient = kernels::tensor(memory_.back(), shape);
  }

  std::vector<Values> gradients_where(bool of_norm) const {
    std::vector<Values> result;
    for (const nn::Parameter& parameter : parameters_.all()) {
      if ((parameter.name.find(".norm") != std::string::npos) == of_norm) {
        const float* const data = parameter.gradient.data<float>();
        result.emplace_back(data, data + parameter.gradient.elements());
      }
    }
    return result;
  }

  nn::ParameterSet parameters_;
  std::deque<Values> memory_;
  std::optional<Block> block_;
  std::vector<std::int32_t> positions_;
};

void fill(Tensor y, float value) {
  std::fill_n(y.data<float>(), y.elements(), value);
}

// A micro-batch of one block.
class MicroBatch {
 public:
  MicroBatch(const Context& ctx,
             const ActivationPolicy& activation_policy,
             int index)
      : index_(index),
        first_sample_(index * kSamples),
        kept_(make_saved_block(activation_policy)),
        d_nC_(ctx.workspace(shape(ctx), DType::kF32)) {}

  void forward(Context& ctx, const OneBlock& one) {
    OwnedTensor x = ctx.activation(shape(ctx), DType::kF32);
    set(ctx, x, "x");
    const OwnedTensor y = ctx.activation(shape(ctx), DType::kF32);
    const nn::Sequences sequences = sequences_of(one);
    kept_->forward(
        ctx, one.block(), {.y = y, .x = std::move(x), .sequences = sequences});
  }

  // The gradient of x.
  Values backward(Context& ctx, const OneBlock& one) {
    set(ctx, d_nC_, "d_y");
    kept_->prepare(ctx);
    kept_->backward(ctx, one.block(), d_nC_, sequences_of(one));
    Values d_x(d_nC_.data<float>(), d_nC_.data<float>() + d_nC_.elements());
    fill(d_nC_, kUntouched);  // as the layer before would
    return d_x;
  }

 private:
  nn::Sequences sequences_of(const OneBlock& one) const {
    return {.samples = kSamples,
            .positions = one.positions(),
            .first_sample = {&first_sample_, {1}}};
  }
  static Shape shape(const Context& ctx) {
    return {ctx.tensor.stream_rows(kN), kC};
  }
  void set(const Context& ctx, Tensor y, const std::string& name) const {
    const Values own = nn::rows_of(
        random_values(kN * kC, fmt::format("{}{}", name, index_).c_str()),
        ctx.tensor.own(kN),
        kC);
    std::copy(own.begin(), own.end(), y.data<float>());
  }

  int index_;
  std::int64_t first_sample_;
  std::unique_ptr<SavedBlock> kept_;
  OwnedTensor d_nC_;
};

std::vector<MicroBatch> micro_batches(
    const Context& ctx, const ActivationPolicy& activation_policy) {
  std::vector<MicroBatch> result;
  for (int m = 0; m < kMicroBatches; ++m) {
    result.emplace_back(ctx, activation_policy, m);
  }
  return result;
}

struct Model {
  const char* name;
  ModelConfig (*config)();
};
struct Kept {
  const char* name;
  ActivationPolicy activation_policy;
};

class DeferredGradients
    : public testing::TestWithParam<std::tuple<Model, Kept, int, Rows>> {
 protected:
  static ModelConfig config() { return std::get<0>(GetParam()).config(); }
  static ActivationPolicy activation_policy() {
    return std::get<1>(GetParam()).activation_policy;
  }
  static StepShape step() {
    return {.rows = kN,
            .tensor = std::get<2>(GetParam()),
            .cut = std::get<3>(GetParam()),
            .activation_policy = activation_policy(),
            .activations = DType::kF32};
  }

  // body(ctx, one) on every rank.
  static void run(const std::function<void(Context&, OneBlock&)>& body) {
    nn::on_ranks(
        std::get<2>(GetParam()), std::get<3>(GetParam()), [&](Context& ctx) {
          OneBlock one(config(), ctx.tensor.part());
          body(ctx, one);
        });
  }

  // The results of a backward without deferral over all micro-batches: d_x of
  // each, and the gradients.
  static std::vector<Values> at_once(Context& ctx) {
    OneBlock one(config(), ctx.tensor.part());
    std::vector<Values> result;
    for (MicroBatch& batch : micro_batches(ctx, activation_policy())) {
      batch.forward(ctx, one);
      result.push_back(batch.backward(ctx, one));
    }
    return with_gradients(std::move(result), one);
  }

  static std::vector<Values> with_gradients(std::vector<Values> d_x,
                                            const OneBlock& one) {
    for (const std::vector<Values>& gradients :
         {one.of_norms(), one.of_matrices()}) {
      d_x.insert(d_x.end(), gradients.begin(), gradients.end());
    }
    return d_x;
  }
};

std::string name_of(
    const testing::TestParamInfo<std::tuple<Model, Kept, int, Rows>>& info) {
  const auto& [model, kept, ranks, rows] = info.param;
  return fmt::format("{}{}{}{}",
                     model.name,
                     kept.name,
                     rows == Rows::kCut ? "Cut" : "Whole",
                     ranks);
}

INSTANTIATE_TEST_SUITE_P(
    Blocks,
    DeferredGradients,
    testing::Combine(
        testing::Values(Model{"Gpt", gpt},
                        Model{"GptWithDropout", gpt_with_dropout},
                        Model{"Llama", llama}),
        testing::Values(Kept{"None", {}},
                        Kept{"Selective", {.recompute = Recompute::kSelective}},
                        Kept{"Full", {.recompute = Recompute::kFull}}),
        testing::Values(1, 2, 4),
        testing::Values(Rows::kWhole, Rows::kCut)),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    BlocksOfParts,
    DeferredGradients,
    testing::Combine(testing::Values(Model{"GptWithDropout", gpt_with_dropout},
                                     Model{"Llama", llama}),
                     testing::Values(Kept{
                         "FullInParts",
                         {.recompute = Recompute::kFull,
                          .checkpoints = CheckpointedInputs::kParts}}),
                     testing::Values(2, 4),
                     testing::Values(Rows::kWhole)),
    name_of);

TEST_P(DeferredGradients, AreTheSameBits) {
  run([](Context& ctx, OneBlock& one) {
    const std::vector<Values> want = at_once(ctx);
    std::vector<MicroBatch> batches = micro_batches(ctx, activation_policy());
    for (MicroBatch& batch : batches) {
      batch.forward(ctx, one);
    }
    std::vector<Values> d_x;
    std::vector<WeightGradientStore> queues(kMicroBatches);
    for (std::size_t m = 0; m < batches.size(); ++m) {
      ctx.deferred = &queues[m];
      d_x.push_back(batches[m].backward(ctx, one));
    }
    ctx.deferred = nullptr;
    for (WeightGradientStore& queue : queues) {
      queue.run(ctx);
    }
    EXPECT_EQ(with_gradients(std::move(d_x), one), want);
  });
}

// The queues hold the formula's bytes, and nothing else is held.
TEST_P(DeferredGradients, TakeTheFormulasBytes) {
  run([](Context& ctx, OneBlock& one) {
    const auto held = [&] {
      return static_cast<std::int64_t>(
          ctx.arena.ledger().current(Category::kActivations));
    };
    std::vector<MicroBatch> batches = micro_batches(ctx, activation_policy());
    const std::size_t workspace =
        ctx.arena.ledger().current(Category::kWorkspace);
    const std::int64_t bytes = deferred_bytes(config(), step());
    std::deque<WeightGradientStore> queues;
    for (MicroBatch& batch : batches) {
      batch.forward(ctx, one);
      ctx.deferred = &queues.emplace_back();
      batch.backward(ctx, one);
      EXPECT_EQ(held(), static_cast<std::int64_t>(queues.size()) * bytes);
    }
    for (; !queues.empty(); queues.pop_front()) {
      queues.front().run(ctx);
      EXPECT_EQ(held(), static_cast<std::int64_t>(queues.size() - 1) * bytes);
      EXPECT_EQ(ctx.arena.ledger().current(Category::kWorkspace), workspace);
    }
  });
}

TEST_P(DeferredGradients, OfNormsAreNotPutOff) {
  run([](Context& ctx, OneBlock& one) {
    MicroBatch batch(ctx, activation_policy(), 0);
    const std::vector<Values> untouched = one.of_matrices();
    batch.forward(ctx, one);
    WeightGradientStore queue;
    ctx.deferred = &queue;
    batch.backward(ctx, one);
    EXPECT_EQ(one.of_matrices(), untouched);
    const std::vector<Values> norms = one.of_norms();
    queue.run(ctx);
    EXPECT_EQ(one.of_norms(), norms);
    for (const std::vector<Values>& gradients :
         {one.of_norms(), one.of_matrices()}) {
      for (const Values& gradient : gradients) {
        EXPECT_EQ(std::count(gradient.begin(), gradient.end(), kUntouched), 0);
      }
    }
  });
}

// If rows are cut, the branches' gradients are gathered twice.
TEST_P(DeferredGradients, GatherTwiceMoreABlock) {
  run([](Context& ctx, OneBlock& one) {
    comm::Communicator& ranks = *ctx.tensor.ranks;
    const auto backward_calls = [&](comm::Kind kind,
                                    WeightGradientStore* queue) {
      MicroBatch batch(ctx, activation_policy(), 0);
      batch.forward(ctx, one);
      const auto before = ranks.traffic().of(ranks.axis(), kind).calls;
      ctx.deferred = queue;
      batch.backward(ctx, one);
      if (queue != nullptr) {
        queue->run(ctx);
      }
      ctx.deferred = nullptr;
      return ranks.traffic().of(ranks.axis(), kind).calls - before;
    };
    WeightGradientStore queue;
    const auto more = [&](comm::Kind kind) {
      const auto at_once = backward_calls(kind, nullptr);
      return backward_calls(kind, &queue) - at_once;
    };
    EXPECT_EQ(more(comm::Kind::kAllGather),
              ctx.tensor.rows == Rows::kCut ? 2U : 0U);
    EXPECT_EQ(more(comm::Kind::kReduceScatter), 0U);
    EXPECT_EQ(more(comm::Kind::kAllReduce), 0U);
  });
}

}  // namespace
}  // namespace dure::model
