// A test family whose weights are placed differently: it has experts, which the
// ranks of the expert axis divide, and each sample uses one. On every layout it
// gives the results of one rank: bit for bit with ranked sums, and on tensor
// ranks within docs/numerics.md's bound.

#include "dure/model/family.h"

#include <filesystem>
#include <fmt/core.h>
#include <mutex>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/decoder.h"
#include "dure/model/transformer_units.h"
#include "dure/optim/optimizer.h"
#include "dure/optim/sgd.h"
#include "dure/plan/predict.h"
#include "dure/run/run_checkpoint.h"
#include "dure/train/options.h"
#include "dure/train/weight_parts.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using model::Batch;
using model::ModelConfig;
using model::ModelTable;
using model::Streams;
using train::Config;
using train::Rank;
using train::Trainer;

constexpr std::int64_t kExperts = 4;
constexpr model::StreamName kResidual = model::StreamName::kResidual;

// If N ranks read different samples, those of even numbers read even samples.
// With two ranks on the expert axis they are its first half, and these samples
// go to the first two experts.
std::int64_t expert_of(std::int64_t sample) {
  return 2 * (sample % 2) + sample / 2 % 2;
}

// y = x gain[e] + shift[e], where e is the sample's expert, for a micro-batch
// of one sample. All ranks of the tensor axis hold the gains, and columns of
// the shifts.
class Experts final : public model::Unit {
 public:
  explicit Experts(const model::UnitParts& parts)
      : gain_(parts.parameters["experts.gain"]),
        shift_(parts.parameters["experts.shift"]),
        place_(parts.place) {}

  std::unique_ptr<model::UnitSaved> make_saved() const override {
    return std::make_unique<Saved>();
  }

  void forward(nn::Context& ctx,
               Streams& streams,
               const Batch& batch,
               model::UnitSaved& saved) const override {
    auto& x = static_cast<Saved&>(saved).x;
    x = std::move(streams[kResidual]);
    streams[kResidual] = ctx.activation(x.shape(), x.dtype());
    apply(ctx, streams[kResidual], x, batch);
  }

  void backward(nn::Context& ctx,
                Streams& gradients,
                const Batch& batch,
                model::UnitSaved& saved) const override {
    OwnedTensor& x = static_cast<Saved&>(saved).x;
    const auto [n, C] = x.dims<2>("x");
    const float* const gain = row_of(gain_.value, batch);
    auto* const d = Tensor(gradients[kResidual]).data<float>();
    std::vector<float> d_gain(static_cast<std::size_t>(C));
    std::vector<float> d_shift(static_cast<std::size_t>(C));
    for (std::int64_t i = 0; i < n * C; ++i) {
      const auto c = static_cast<std::size_t>(i % C);
      d_gain[c] += d[i] * x.data<float>()[i];
      d_shift[c] += d[i];
      d[i] *= gain[c];
    }
    x = OwnedTensor();
    if (ctx.tensor.rows == parallel::Rows::kCut) {
      const Tensor sum(d_shift.data(), {C}, DType::kF32);
      ctx.tensor.ranks->run(ctx.stream, comm::AllReduce{.y = sum, .x = sum});
    }
    const mesh::Part part = place_.part(mesh::Axis::kTensor);
    const auto own = static_cast<std::size_t>(C / part.count);
    add(gain_, batch, d_gain);
    add(shift_,
        batch,
        std::span(d_shift).subspan(static_cast<std::size_t>(part.index) * own,
                                   own));
  }

  void run(nn::Context& ctx,
           Streams& streams,
           const Batch& batch) const override {
    const OwnedTensor x = std::move(streams[kResidual]);
    streams[kResidual] = ctx.activation(x.shape(), x.dtype());
    apply(ctx, streams[kResidual], x, batch);
  }

  void read(nn::Context& /*ctx*/,
            Streams& /*streams*/,
            const model::DecodeBatch& /*batch*/,
            const Cache& /*cache*/) const override {
    throw Error("experts go by samples, which a text has none of");
  }

 private:
  struct Saved final : public model::UnitSaved {
    void for_each_buffer(const nn::BufferVisitor& visit) override {
      nn::visit_buffers({&x}, visit);
    }
    OwnedTensor x;
  };

  // The row of the sample's expert among this rank's.
  std::int64_t row_of(const Batch& batch) const {
    const std::int64_t own = kExperts / place_.part(mesh::Axis::kExpert).count;
    const std::int64_t row =
        expert_of(batch.sequences.first_sample.data<std::int64_t>()[0]) -
        place_.part(mesh::Axis::kExpert).index * own;
    DURE_CHECK(row >= 0 && row < own, "the expert is another rank's");
    return row;
  }
  float* row_of(const Tensor& rows, const Batch& batch) const {
    return Tensor(rows).data<float>() + row_of(batch) * rows.shape()[1];
  }

  void apply(nn::Context& ctx,
             Tensor y,
             ConstTensor x,
             const Batch& batch) const {
    const auto [n, C] = x.dims<2>("x");
    const std::int64_t own = shift_.value.shape()[1];
    std::vector<float> shift(static_cast<std::size_t>(C));
    ctx.tensor.ranks->run(
        ctx.stream,
        comm::AllGather{
            .y = Tensor(shift.data(), {C}, DType::kF32),
            .x = Tensor(row_of(shift_.value, batch), {own}, DType::kF32)});
    const float* const gain = row_of(gain_.value, batch);
    for (std::int64_t i = 0; i < n * C; ++i) {
      const auto c = static_cast<std::size_t>(i % C);
      y.data<float>()[i] = x.data<float>()[i] * gain[c] + shift[c];
    }
  }

  void add(nn::Parameter& parameter,
           const Batch& batch,
           std::span<const float> d) const {
    if (parameter.take_write() == kernels::Write::kOverwrite) {
      std::fill_n(parameter.gradient.data<float>(),
                  parameter.gradient.elements(),
                  0.0F);
    }
    float* const row = row_of(parameter.gradient, batch);
    for (std::size_t c = 0; c < d.size(); ++c) {
      row[c] += d[c];
    }
  }

  nn::Parameter& gain_;
  nn::Parameter& shift_;
  mesh::Place place_;
};

model::UnitSpec experts_unit() {
  return {.accesses = {.forward = nn::Access::kParameters,
                       .backward = nn::Access::kBoth,
                       .input = nn::Access::kBoth},
          .hands_on = {kResidual},
          .make = [](const model::UnitParts& parts) {
            return std::make_unique<Experts>(parts);
          }};
}

void add_block(ModelTable& table, std::int64_t index) {
  const ModelConfig& c = table.config();
  table.unit(index, block_unit(index, table.activation_policy()));
  table.add_norm("norm1");
  table.add_by_rows("attention.qkv",
                    {c.hidden, c.hidden, c.hidden},
                    model::WeightKind::kAttention,
                    {c.heads, c.heads, c.heads});
  table.add_by_columns(
      "attention.projection", c.hidden, model::WeightKind::kAttention);
  table.add_norm("norm2");
  table.add_by_rows("mlp.up", {c.ffn_hidden}, model::WeightKind::kMlp);
  table.add_by_columns("mlp.down", c.ffn_hidden, model::WeightKind::kMlp);
}

void describe(ModelTable& table) {
  const ModelConfig& c = table.config();
  table.unit(model::embedding_unit());
  table.add_by_vocabulary("embedding.token.weight",
                          model::WeightKind::kEmbedding);
  table.unit(experts_unit());
  table.add({.name = "experts.gain",
             .shape = {kExperts, c.hidden},
             .placement = {{.axis = mesh::Axis::kExpert, .dim = 0}},
             .init = {.value = 1},
             .part = model::WeightKind::kMlp});
  table.add({.name = "experts.shift",
             .shape = {kExperts, c.hidden},
             .placement = {{.axis = mesh::Axis::kExpert, .dim = 0},
                           {.axis = mesh::Axis::kTensor, .dim = 1}},
             .init = table.normal(),
             .decay = model::Decay::kYes,
             .part = model::WeightKind::kMlp});
  for (std::int64_t block = 0; block < c.layers; ++block) {
    add_block(table, block);
  }
  table.unit(model::final_norm_unit());
  table.add_norm("final_norm");
  table.unit(model::head_unit(table.activation_policy().logits));
  table.use("embedding.token.weight");
}

constexpr model::Family kFamily = {
    .name = "experts",
    .begin =
        [](ModelConfig& config) { config.position = model::Position::kRope; },
    .presets = [] { return std::vector<model::Preset>(); },
    .describe = describe};

struct Case {
  Layout layout;
  int experts = 1;  // ranks
};

std::string text(const Case& c) {
  return fmt::format("{}, expert {}", text(c.layout), c.experts);
}

Config config_of(const Case& c, const optim::OptimizerRow& optimizer) {
  Config config = small_gpt();
  config.model.family = &kFamily;
  kFamily.begin(config.model);
  config.optimizer.name = &optimizer;
  config.optimizer.clip_gradient = 0.5;
  config.parallel.sums = comm::SumOrder::kRanked;
  config = configured(config, c.layout);
  config.parallel.expert = c.experts;
  config.train.global_batch *= c.experts;
  return config;
}

Case alone(const Case& c) {
  Case one = {.layout = alone(c.layout)};
  one.layout.micro_batches *= c.experts;
  return one;
}

// Runs body(rank, trainer) on every rank.
template <typename Body>
void on_ranks(const Config& config, Body&& body) {
  const auto ranks = static_cast<int>(ranks_of(config.parallel));
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    Rank rank(options);
    Trainer trainer(rank, config);
    body(rank, trainer);
  });
}

// Every rank evaluates a batch of its own samples in each round.
ParityOutcome train_on(
    const Case& c,
    int steps,
    const optim::OptimizerRow& optimizer = *optim::optimizers().front()) {
  return run_config(config_of(c, optimizer), steps, 16);
}

constexpr int kSteps = 6;

TEST(Family, LayoutsOfExpertRanksChangeNoBit) {
  for (const optim::OptimizerRow* optimizer : optim::optimizers()) {
    SCOPED_TRACE(optimizer->name);
    const std::vector<Case> cases = {
        {{.data = 2, .micro_batches = 2}, 2},
        {{.data = 4, .micro_batches = 2}, 1},
        {{.micro_batches = 4}, 2},
        {{.data = 2, .zero = 1, .micro_batches = 2}, 2},
        {{.data = 2, .zero = 2, .micro_batches = 2}, 2},
        {{.data = 2, .zero = 3, .micro_batches = 2}, 2},
        {{.data = 4, .zero = 3, .zero_group = 2, .micro_batches = 1}, 2},
        {{.pipe = 2, .data = 2, .zero = 1, .micro_batches = 2}, 2}};
    const ParityOutcome eight = train_on(alone(cases[0]), kSteps, *optimizer);
    EXPECT_LT(eight.losses.back(), eight.losses.front());
    for (const Case& c : cases) {
      SCOPED_TRACE(text(c));
      const ParityOutcome& one = alone(c).layout.micro_batches == 8
                                     ? eight
                                     : train_on(alone(c), kSteps, *optimizer);
      expect_same(train_on(c, kSteps, *optimizer), one);
    }
  }
}

TEST(Family, TensorRanksOfExpertsAgreeWithinTheBound) {
  for (const bool sequence : {false, true}) {
    const Case c = {{.tensor = 2, .sequence = sequence, .micro_batches = 4}, 2};
    SCOPED_TRACE(text(c));
    const ParityOutcome one = train_on(alone(c), kSteps, optim::kSgd);
    const ParityOutcome cut = train_on(c, kSteps, optim::kSgd);
    EXPECT_LT(worst(cut.losses, one.losses), 1e-6);
    EXPECT_LT(worst(cut.norms, one.norms), 1e-5);
    EXPECT_LT(worst_element(cut.gradients, one.gradients), 1e-5);
    EXPECT_LT(worst_element(cut.weights, one.weights), 1e-5);
  }
}

Path scratch(const std::string& name) {
  const Path folder = Path(testing::TempDir()) / name;
  std::filesystem::remove_all(folder);
  return folder;
}

std::string saved_by(const Case& c, const Path& folder, const char* file) {
  Config config = config_of(c, *optim::optimizers().front());
  config.checkpoint.directory = folder;
  on_ranks(config, [&](Rank& rank, Trainer& trainer) {
    const Walks data = small_data();
    trainer.step(data);
    save_trainer(rank, trainer, {}, rank.world());
  });
  return read_file((checkpoint::step_folder(folder, 1) / file).string());
}

TEST(Family, CheckpointsHaveTheSameTensorsOnEveryLayout) {
  const Path folder = scratch("family");
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const Case mesh = {{.data = 2, .zero = 3, .micro_batches = 2}, 2};
    const std::string one = saved_by(alone(mesh), folder / "one", file);
    EXPECT_TRUE(saved_by(mesh, folder / "mesh", file) == one) << file;
  }
}

TEST(Family, RanksReadTheirExpertsFromAnyCheckpoint) {
  const Path folder = scratch("family_read");
  const Case wide = {{.data = 2, .zero = 1, .micro_batches = 2}, 2};
  saved_by(alone(wide), folder, "model.safetensors");
  const checkpoint::SafetensorsFile file(checkpoint::step_folder(folder, 1) /
                                         "model.safetensors");
  const ParityOutcome one = train_on(alone(wide), 1);
  ParityOutcome read;
  std::mutex mutex;
  on_ranks(config_of(wide, *optim::optimizers().front()),
           [&](Rank& rank, Trainer& trainer) {
             train::RankModel& rank_model = trainer.rank_model();
             read_owned(rank,
                        rank_model,
                        owned_weights(rank_model),
                        [&](const std::string& weight,
                            std::span<const mesh::Stretch> stretches,
                            std::span<float> out) {
                          read_stretches(file, weight, stretches, out);
                        });
             rank_model.store().broadcast();
             const std::lock_guard lock(mutex);
             collect(rank, rank_model, read);
           });
  EXPECT_TRUE(read.weights == one.weights);
}

TEST(Family, ThePlannerCountsWhatEachRankHolds) {
  for (const std::int64_t zero : {0, 3}) {
    const Case c = {{.data = 2, .zero = zero, .micro_batches = 2}, 2};
    const Config config = config_of(c, *optim::optimizers().front());
    const std::vector<std::int64_t> planned = plan::weights_by_rank(config);
    on_ranks(config, [&](Rank& rank, Trainer& trainer) {
      std::int64_t held = 0;
      const parallel::ParameterStore& store = trainer.rank_model().store();
      if (zero == 3) {
        for (const parallel::Slice& slice : store.slices()) {
          held += slice.elements;
        }
      } else {
        held = trainer.rank_model().parameters().elements();
      }
      EXPECT_EQ(planned[static_cast<std::size_t>(rank.world().rank())], held);
    });
  }
}

// Tokens of a sequence can't be divided yet; units that need whole sequences
// say so.
TEST(Family, ContextRanksAreRefusedWhereSequencesAreRead) {
  Config config = config_of({}, *optim::optimizers().front());
  config.parallel.context = 2;
  EXPECT_THROW(on_ranks(config, [](Rank&, Trainer&) {}), Error);
}

}  // namespace
}  // namespace dure
