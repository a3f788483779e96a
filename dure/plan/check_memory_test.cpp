#include "dure/plan/check_memory.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/plan/predict.h"

namespace dure::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

// There are 0.8 M parameters: some 13 MB at stage 0, and 9 MB of activations.
train::Config on_four_ranks(std::int64_t zero) {
  train::Config config;
  config.model = {.layers = 4,
                  .hidden = 128,
                  .heads = 4,
                  .vocabulary = 250,
                  .max_sequence = 64};
  config.train.micro_batch = 4;
  config.train.global_batch = 32;
  config.parallel.data = 4;
  config.parallel.zero = zero;
  config.parallel.bucket_mb = 0.1;
  config.parallel.first_bucket_mb = 0.1;
  return train::resolve(config);
}

train::Config limited(train::Config config, std::size_t bytes) {
  config.memory.limit_gib = static_cast<double>(bytes) / (1 << 30);
  return config;
}

std::string refusal(const train::Config& config,
                    const MemoryShare& share = {}) {
  try {
    check_memory(config, share);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "fits";
}

std::size_t step_bytes(const train::Config& config) {
  return predict_memory(config).high_water;
}

TEST(CheckMemory, AllowsAnythingWithoutALimit) {
  EXPECT_EQ(refusal(on_four_ranks(0)), "fits");
}

TEST(CheckMemory, ComparesWithWhatThereIsWhereNothingIsSaid) {
  const std::size_t needed = step_bytes(on_four_ranks(0));
  const MemoryShare enough = {2 * needed, "this machine's memory"};
  const MemoryShare little = {needed / 2, "this machine's memory"};
  EXPECT_EQ(refusal(on_four_ranks(0), enough), "fits");
  EXPECT_THAT(
      refusal(on_four_ranks(0), little),
      testing::AllOf(HasSubstr("a rank's share of this machine's memory: too "
                               "little for a rank of 4"),
                     HasSubstr("or set memory.limit_gib to what a rank may "
                               "take all the same")));
  EXPECT_EQ(refusal(limited(on_four_ranks(0), 2 * needed), little), "fits");
}

TEST(CheckMemory, RefusesTheStagesThatDoNotFit) {
  const std::size_t limit = step_bytes(on_four_ranks(3));
  EXPECT_EQ(refusal(limited(on_four_ranks(3), limit)), "fits");
  for (const int zero : {0, 1, 2}) {
    EXPECT_THAT(refusal(limited(on_four_ranks(zero), limit)),
                HasSubstr("parallel.zero = 3"))
        << zero;
  }
}

TEST(CheckMemory, SaysWhatIsPredictedByCategoryAndWhatIsAllowed) {
  const MemoryPrediction memory = predict_memory(on_four_ranks(0));
  const std::string text = refusal(limited(on_four_ranks(0), 5'000'000));
  for (std::size_t c = 0; c < kCategories; ++c) {
    EXPECT_THAT(text, HasSubstr(name_of(static_cast<Category>(c))));
    EXPECT_THAT(text, HasSubstr(std::to_string(memory.peak_bytes[c])));
  }
  EXPECT_THAT(text, HasSubstr(std::to_string(memory.high_water)));
  EXPECT_THAT(text, HasSubstr("5000000"));
}

TEST(CheckMemory, NamesOnlyWhatWouldFit) {
  // At stage 3 half the samples fit, and so do 8 ranks, as each holds less.
  const train::Config config = on_four_ranks(3);
  train::Config half = config;
  half.train.micro_batch = 2;
  train::Config eight = config;
  eight.parallel.data = 8;
  const std::string by_either = refusal(limited(config, step_bytes(eight)));
  EXPECT_THAT(by_either, HasSubstr("any of these alone would fit: 8 ranks, "));
  EXPECT_THAT(by_either, HasSubstr(", train.micro_batch = 2"));
  EXPECT_THAT(by_either, Not(HasSubstr("parallel.zero = 3,")));
  EXPECT_LT(step_bytes(half), step_bytes(eight));
  const std::string by_half = refusal(limited(config, step_bytes(half)));
  EXPECT_THAT(by_half, HasSubstr(", train.micro_batch = 2"));
  EXPECT_THAT(by_half, Not(HasSubstr("fit: 8 ranks,")));
  EXPECT_THAT(refusal(limited(config, 1'000'000)),
              HasSubstr("choose a smaller model"));
}

TEST(CheckMemory, NamesTheLeastRecomputationThatFits) {
  train::Config config = on_four_ranks(0);
  config.memory.recompute = model::Recompute::kSelective;
  const std::size_t selective = step_bytes(config);
  config.memory.recompute = model::Recompute::kFull;
  const std::size_t full = step_bytes(config);
  EXPECT_LT(full, selective);
  EXPECT_THAT(refusal(limited(on_four_ranks(0), selective)),
              HasSubstr("memory.recompute = \"selective\""));
  EXPECT_THAT(refusal(limited(on_four_ranks(0), full)),
              HasSubstr("memory.recompute = \"full\""));
}

TEST(CheckMemory, NamesTheLogitsThatNeedNotBeKept) {
  const train::Config blocks = on_four_ranks(0);
  train::Config whole = blocks;
  whole.memory.logits = train::LogitsMemory::kWhole;
  EXPECT_LT(step_bytes(blocks), step_bytes(whole));
  EXPECT_THAT(refusal(limited(whole, step_bytes(blocks))),
              HasSubstr("memory.logits = \"blocks\""));
  EXPECT_THAT(refusal(limited(blocks, step_bytes(blocks) - 64)),
              Not(HasSubstr("memory.logits")));
}

train::Config on_two_stages(parallel::ScheduleKind schedule) {
  train::Config config = on_four_ranks(0);
  config.model.tie_embeddings = false;
  config.train.global_batch = 128;
  config.parallel.data = 1;
  config.parallel.pipeline = 2;
  config.parallel.schedule = schedule;
  config.parallel.virtual_stages = 0;
  return train::resolve(config);
}

// In 1F1B stage 0 has a micro-batch more in flight than the last one. In GPipe
// both have equally many, and the last one's head decides.
TEST(CheckMemory, NamesTheStageThatDoesNotFit) {
  const auto text = [](parallel::ScheduleKind schedule) {
    return refusal(limited(on_two_stages(schedule), 1'000'000));
  };
  EXPECT_THAT(text(parallel::ScheduleKind::k1F1B),
              HasSubstr("a rank of stage 0 of 2 (1f1b), of 2, with"));
  EXPECT_THAT(text(parallel::ScheduleKind::kGpipe),
              HasSubstr("a rank of stage 1 of 2 (gpipe), of 2, with"));
}

TEST(CheckMemory, NamesTheScheduleThatFits) {
  using parallel::ScheduleKind;
  const train::Config gpipe = on_two_stages(ScheduleKind::kGpipe);
  const train::Config config =
      limited(gpipe, step_bytes(on_two_stages(ScheduleKind::k1F1B)) + 500'000);
  EXPECT_THAT(refusal(config), HasSubstr("parallel.schedule = \"1f1b\""));
}

TEST(CheckMemory, NamesTheStagesThatFit) {
  const train::Config two = on_two_stages(parallel::ScheduleKind::k1F1B);
  train::Config four = two;
  four.parallel.pipeline = 4;
  const std::size_t bytes = step_bytes(four);
  ASSERT_LT(bytes + 500'000, step_bytes(two));
  EXPECT_THAT(refusal(limited(two, bytes + 500'000)),
              HasSubstr("parallel.pipeline = 4 on 4 ranks"));
}

// There are 32 micro-batches, of which 12 have the peaks of all. The holes of
// the rest decide, to the byte.
TEST(CheckMemory, RunsTheWholeStepWhereItDecides) {
  const train::Config config =
      on_two_stages(parallel::ScheduleKind::kInterleaved);
  EXPECT_LT(enough_micro_batches(config), all_micro_batches(config));
  std::size_t most = 0;
  for (const MemoryPrediction& stage :
       predict_stage_memory(config, MicroBatches::kAll)) {
    most = std::max(most, stage.high_water);
  }
  EXPECT_EQ(refusal(limited(config, most)), "fits");
  EXPECT_THAT(refusal(limited(config, most - 64)), HasSubstr("stage"));
}

std::size_t kept(const MemoryPrediction& memory) {
  return memory.peak_bytes[static_cast<std::size_t>(Category::kParameters)] +
         memory.peak_bytes[static_cast<std::size_t>(Category::kOptimizer)];
}

void expect_room_to_save(const train::Config& config, std::size_t parts) {
  const MemoryPrediction memory = predict_memory(config);
  const std::size_t saving = memory.between_steps + parts * kept(memory);
  ASSERT_GT(saving, memory.high_water);
  EXPECT_EQ(refusal(limited(config, saving)), "fits");
  EXPECT_THAT(refusal(limited(config, saving - 64)), HasSubstr("saving"));
}

// At saving, at most 72 MiB of other ranks' shards come to the first rank.
TEST(CheckMemory, LeavesRoomToSave) {
  train::Config config = on_four_ranks(3);
  config.train.micro_batch = 1;
  config.data.sequence = 1;
  expect_room_to_save(config, 3);
}

// Pieces of cut matrices have elements of all ranks, whose part is there twice:
// as it came, and in its place.
TEST(CheckMemory, LeavesRoomToSaveWhatIsCut) {
  train::Config config = on_four_ranks(3);
  config.train.micro_batch = 1;
  config.data.sequence = 1;
  config.parallel.data = 2;
  config.parallel.tensor = 2;
  expect_room_to_save(config, 4 + 3);
}

}  // namespace
}  // namespace dure::plan
