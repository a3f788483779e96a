// All state between passes owns its memory: the test moves all of it, with
// weights and gradients, and the backward gives the same bits.
#include <cstring>
#include <deque>
#include <fmt/core.h>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dure/model/families/keys.h"
#include "dure/model/whole_model_testing.h"
#include "dure/nn/rank_testing.h"

namespace dure::model {
namespace {

using kernels::Values;
using nn::Context;
using parallel::Rows;

constexpr std::int64_t kSamples = 2;
constexpr std::int64_t kSequence = 6;
constexpr std::int64_t kN = kSamples * kSequence;
constexpr std::int64_t kVocabulary = 61;
constexpr int kMicroBatches = 2;

ModelConfig gpt_with_dropout() {
  ModelConfig config = {.layers = 2,
                        .hidden = 32,
                        .heads = 4,
                        .ffn_hidden = 100,
                        .vocabulary = kVocabulary,
                        .max_sequence = kSequence};
  config.dropout = 0.1;
  return resolve(config);
}
ModelConfig llama() {
  ModelConfig config = gpt_with_dropout();
  config.dropout = 0;
  config.norm = &nn::kRmsNorm;
  config.position = Position::kRope;
  config.activation = Activation::kSwiglu;
  config.bias = false;
  config.kv_heads = 2;
  config.tie_embeddings = false;
  return config;
}

// Moves buffers and fills their old places with NaN. These stay taken, so that
// nothing else overwrites the NaN.
class Mover {
 public:
  explicit Mover(Arena& arena) : arena_(arena) {}

  void move(OwnedTensor& tensor) {
    OwnedTensor moved =
        arena_.tensor(tensor.shape(), Category::kActivations, tensor.dtype());
    std::memcpy(moved.bytes(), tensor.bytes(), tensor.size_bytes());
    std::memset(tensor.bytes(), 0xFF, tensor.size_bytes());
    left_.push_back(std::exchange(tensor, std::move(moved)));
  }

  std::size_t count() const { return left_.size(); }

 private:
  Arena& arena_;
  std::deque<OwnedTensor> left_;
};

// A micro-batch between its forward and its backward.
class Flight {
 public:
  explicit Flight(int index) : first_sample_(index * kSamples), losses_(kN) {
    for (std::int64_t n = 0; n < kN; ++n) {
      const std::int64_t token = n * 7919 + index;
      ids_.push_back(static_cast<std::int32_t>(token % kVocabulary));
      targets_.push_back(static_cast<std::int32_t>((token + 5) % kVocabulary));
      positions_.push_back(static_cast<std::int32_t>(n % kSequence));
    }
  }

  void forward(Context& ctx, const Stack& stack) {
    stack.forward(ctx, {}, batch(), saved_);
  }
  void backward(Context& ctx, const Stack& stack) {
    stack.backward(ctx, {}, batch(), saved_);
  }
  void backward_input(Context& ctx, const Stack& stack) {
    stack.backward_input(ctx, {}, batch(), saved_);
  }
  void backward_weights(Context& ctx, const Stack& stack) {
    stack.backward_weights(ctx, saved_);
  }
  void visit(const nn::BufferVisitor& visit) { for_each_buffer(saved_, visit); }

  const Values& losses() const { return losses_; }

 private:
  static ConstTensor tensor_of(const std::vector<std::int32_t>& values) {
    return {values.data(), {kN}};
  }
  Batch batch() {
    return {.ids = tensor_of(ids_),
            .targets = tensor_of(targets_),
            .sequences = {.samples = kSamples,
                          .positions = tensor_of(positions_),
                          .first_sample = {&first_sample_, {1}}},
            .loss = kernels::tensor(losses_, {kN}),
            .d_loss = {&kDLoss, {1}}};
  }

  static constexpr float kDLoss = 1.F / kN;
  std::int64_t first_sample_;
  std::vector<std::int32_t> ids_;
  std::vector<std::int32_t> targets_;
  std::vector<std::int32_t> positions_;
  Values losses_;
  Stack::Saved saved_;
};

enum class Backward : std::uint8_t { kWhole, kInHalves };
enum class Moves : std::uint8_t { kNone, kAll };

// A step of some micro-batches, all of which are in flight at once.
class Step {
 public:
  Step(Context& ctx,
       const ModelConfig& config,
       const ActivationPolicy& activation_policy,
       Moves moves)
      : ctx_(ctx),
        model_(ctx, config, activation_policy),
        mover_(ctx.arena),
        moves_(moves) {
    for (int m = 0; m < kMicroBatches; ++m) {
      flights_.emplace_back(m);
    }
  }

  // The losses, and the gradients of all weights.
  std::vector<Values> run(Backward backward) {
    for_each_flight(&Flight::forward);
    if (backward == Backward::kWhole) {
      for_each_flight(&Flight::backward);
    } else {
      for_each_flight(&Flight::backward_input);
      for_each_flight(&Flight::backward_weights);
    }
    std::vector<Values> result;
    for (const Flight& flight : flights_) {
      result.push_back(flight.losses());
    }
    model_.add_gradients(result);
    return result;
  }

  std::size_t moved() const { return mover_.count(); }

 private:
  // Runs the pass of each. After each, saved memory is moved, or counted.
  void for_each_flight(void (Flight::*pass)(Context&, const Stack&)) {
    for (Flight& flight : flights_) {
      (flight.*pass)(ctx_, model_.stack());
      if (moves_ == Moves::kAll) {
        move_all();
      } else {
        expect_that_all_are_visited();
      }
    }
  }
  void move_all() {
    for (Flight& flight : flights_) {
      flight.visit([&](OwnedTensor& tensor) { mover_.move(tensor); });
    }
    model_.move([&](OwnedTensor& tensor) { mover_.move(tensor); });
  }
  void expect_that_all_are_visited() {
    std::size_t bytes = 0;
    for (Flight& flight : flights_) {
      flight.visit([&](OwnedTensor& tensor) {
        bytes += (tensor.size_bytes() + 63) / 64 * 64;  // as the arena counts
      });
    }
    EXPECT_EQ(bytes, ctx_.arena.ledger().current(Category::kActivations));
  }

  Context& ctx_;
  WholeModel model_;
  Mover mover_;
  Moves moves_;
  std::deque<Flight> flights_;
};

struct Family {
  const char* name;
  ModelConfig (*config)();
};
struct Kept {
  const char* name;
  ActivationPolicy activation_policy;
};
using Case = std::tuple<Family, Kept, Backward, int, Rows>;

class SavedMoves : public testing::TestWithParam<Case> {};

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const auto& [family, kept, backward, ranks, rows] = info.param;
  return fmt::format("{}{}{}{}{}",
                     family.name,
                     kept.name,
                     backward == Backward::kWhole ? "Whole" : "InHalves",
                     rows == Rows::kCut ? "OfCutRows" : "OfWholeRows",
                     ranks);
}

const auto kFamilies =
    testing::Values(Family{"Gpt", gpt_with_dropout}, Family{"Llama", llama});
const auto kBackwards = testing::Values(Backward::kWhole, Backward::kInHalves);

INSTANTIATE_TEST_SUITE_P(
    Decoders,
    SavedMoves,
    testing::Combine(
        kFamilies,
        testing::Values(Kept{"All", {}},
                        Kept{"Costly", {.recompute = Recompute::kSelective}},
                        Kept{"Inputs", {.recompute = Recompute::kFull}},
                        Kept{"AllAndLogits", {.logits = Logits::kSaved}},
                        Kept{"InputsAndLogits",
                             {.recompute = Recompute::kFull,
                              .logits = Logits::kDeferred}}),
        kBackwards,
        testing::Values(1, 2),
        testing::Values(Rows::kWhole, Rows::kCut)),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    DecodersOfParts,
    SavedMoves,
    testing::Combine(kFamilies,
                     testing::Values(Kept{
                         "PartsOfInputs",
                         {.recompute = Recompute::kFull,
                          .checkpoints = CheckpointedInputs::kParts}}),
                     kBackwards,
                     testing::Values(2),
                     testing::Values(Rows::kWhole)),
    name_of);

TEST_P(SavedMoves, BetweenPassesAndNoBitChanges) {
  const auto& [family, kept, backward, ranks, rows] = GetParam();
  const ModelConfig config = family.config();
  const ActivationPolicy& activation_policy = kept.activation_policy;
  const Backward how = backward;
  nn::on_ranks(ranks, rows, [&config, &activation_policy, how](Context& ctx) {
    Step in_place(ctx, config, activation_policy, Moves::kNone);
    const std::vector<Values> want = in_place.run(how);
    Step moving(ctx, config, activation_policy, Moves::kAll);
    EXPECT_EQ(moving.run(how), want);
    EXPECT_EQ(in_place.moved(), 0U);
    EXPECT_GT(moving.moved(), 0U);
  });
}

}  // namespace
}  // namespace dure::model
