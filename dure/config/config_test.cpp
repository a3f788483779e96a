#include "dure/config/config.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/config/load_config.h"
#include "dure/model/llama/llama.h"

namespace dure::train {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

LoadedConfig parse(const std::string& toml,
                   const std::vector<std::string>& sets = {}) {
  return parse_config(toml, "run.toml", sets);
}

std::string error_of(const std::string& toml,
                     const std::vector<std::string>& sets = {}) {
  try {
    parse(toml, sets);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

// People and scripts know these names by heart: adding one is a line here,
// removing or renaming one breaks their files.
TEST(Config, HasTheseKeys) {
  const std::vector<std::string> expected = {
      "model.preset",
      "model.family",
      "model.layers",
      "model.hidden",
      "model.heads",
      "model.kv_heads",
      "model.ffn_hidden",
      "model.vocabulary",
      "model.max_sequence",
      "model.norm",
      "model.norm_bias",
      "model.position",
      "model.window",
      "model.activation",
      "model.bias",
      "model.tie_embeddings",
      "model.dropout",
      "model.embedding_dropout",
      "model.attention_dropout",
      "model.hidden_dropout",
      "model.norm_epsilon",
      "model.rope_theta",
      "model.init_std",
      "data.train",
      "data.validation",
      "data.test",
      "data.split",
      "data.tokenizer",
      "data.sequence",
      "data.index_cache",
      "train.from",
      "train.steps",
      "train.global_batch",
      "train.micro_batch",
      "train.batch_rampup",
      "train.seed",
      "train.device",
      "train.threads",
      "train.evaluate_every",
      "train.evaluate_steps",
      "train.check_replicas_every",
      "train.on_nonfinite",
      "optimizer.name",
      "optimizer.learning_rate",
      "optimizer.minimum_learning_rate",
      "optimizer.warmup_steps",
      "optimizer.warmup",
      "optimizer.decay",
      "optimizer.decay_steps",
      "optimizer.decay_to",
      "optimizer.wsd_share",
      "optimizer.wsd_shape",
      "optimizer.beta1",
      "optimizer.beta2",
      "optimizer.epsilon",
      "optimizer.momentum",
      "optimizer.weight_decay",
      "optimizer.clip_gradient",
      "parallel.tensor",
      "parallel.sequence",
      "parallel.pipeline",
      "parallel.schedule",
      "parallel.virtual_stages",
      "parallel.split",
      "parallel.profile",
      "parallel.drain_every",
      "parallel.context",
      "parallel.expert",
      "parallel.data",
      "parallel.order",
      "parallel.zero",
      "parallel.zero_group",
      "parallel.prefetch_layers",
      "parallel.gather",
      "parallel.bucket_mb",
      "parallel.first_bucket_mb",
      "parallel.sums",
      "comm.timeout",
      "comm.check",
      "precision.compute",
      "precision.tf32",
      "precision.residual",
      "precision.gradients",
      "precision.reduce",
      "precision.master",
      "precision.states",
      "precision.loss_scale",
      "precision.scale_rule",
      "precision.initial_scale_power",
      "precision.scale_window",
      "precision.hysteresis",
      "precision.minimum_scale",
      "memory.recompute",
      "memory.partition_checkpoints",
      "memory.logits",
      "memory.limit_gib",
      "checkpoint.directory",
      "checkpoint.every",
      "checkpoint.keep",
      "checkpoint.accept_changed",
      "log.directory",
      "log.every",
      "log.gradient_histogram_every",
      "log.trace",
  };
  Config config;
  Fields fields;
  visit(fields, config);
  EXPECT_EQ(fields.keys(), expected);
}

TEST(Config, EveryMeaningIsASentence) {
  Config config;
  Fields fields;
  visit(fields, config);
  for (const Field& field : fields.all()) {
    EXPECT_EQ(field.meaning.back(), '.') << field.key();
    EXPECT_EQ(field.meaning.find('\n'), std::string::npos) << field.key();
  }
}

TEST(LoadConfig, OfNothingIsTheDefaultModel) {
  const Config config = parse("").config;
  EXPECT_EQ(config.model, model::resolve({}));
  EXPECT_EQ(config.data.sequence, 1024);
  EXPECT_EQ(config.optimizer.decay_steps, config.train.steps);
  EXPECT_EQ(config.train.micro_batch, 8);
  EXPECT_EQ(config.checkpoint.directory, "out/run/checkpoints");
}

TEST(LoadConfig, PutsSetsOverTheFileOverThePreset) {
  const LoadedConfig loaded = parse(
      "[model]\npreset = 'llama2-7b'\nlayers = 2\nhidden = 64\nheads = 8\n",
      {"model.hidden=128", "model.kv_heads=4"});
  const model::ModelConfig& model = loaded.config.model;
  EXPECT_EQ(model.vocabulary, 32000);
  EXPECT_EQ(model.family, &model::kLlama);
  EXPECT_EQ(model.layers, 2);
  EXPECT_EQ(model.hidden, 128);
  const Origins& from = loaded.origins;
  EXPECT_EQ(from.at("model.vocabulary"), "preset llama2-7b");
  EXPECT_EQ(from.at("model.layers"), "run.toml:3");
  EXPECT_EQ(from.at("model.hidden"), "--set");
  EXPECT_EQ(from.at("train.steps"), "default");
  EXPECT_EQ(from.at("data.sequence"), "auto");
}

TEST(LoadConfig, TakesNormAndTheLikeFromTheFamily) {
  const LoadedConfig loaded = parse("[model]\nfamily = 'llama'\nbias = true\n");
  EXPECT_EQ(loaded.config.model.norm, &nn::kRmsNorm);
  EXPECT_TRUE(loaded.config.model.bias);
  EXPECT_EQ(loaded.origins.at("model.norm"), "family");
}

TEST(LoadConfig, TheLastPresetCounts) {
  const auto loaded =
      parse("[model]\npreset = 'gpt2-124m'", {"model.preset=gpt2-355m"});
  EXPECT_EQ(loaded.config.model.layers, 24);
}

TEST(LoadConfig, PrintsWhatLoadsToTheSame) {
  const LoadedConfig loaded = parse(
      "[model]\npreset = 'llama-1b'\n[data]\ntrain = ['0.5', 'a', '0.5', "
      "'b \"c\"']\nsplit = '969,30,1'\n[train]\nbatch_rampup = [4, 2, 50]\n"
      "[optimizer]\nlearning_rate = 0.00012345678901234567\n[log]\ntrace = "
      "true\n");
  const std::string toml = to_toml(loaded);
  const LoadedConfig again = parse_config(toml, "config.toml", {});
  EXPECT_EQ(again.config, loaded.config) << toml;
  EXPECT_THAT(again.origins.at("model.layers"), StartsWith("config.toml:"));
  EXPECT_THAT(toml, HasSubstr("layers = 16"));
  EXPECT_THAT(toml, HasSubstr("(preset llama-1b)"));
  EXPECT_THAT(toml, HasSubstr("learning_rate = 0.00012345678901234567"));
}

// A split may be a list, words, or what --print-config shows.
TEST(LoadConfig, TakesSplitsInEveryForm) {
  const auto split = [](const std::string& toml) {
    const LoadedConfig loaded =
        parse("[parallel]\npipeline = 4\nsplit = " + toml);
    const Config again =
        parse_config(to_toml(loaded), "config.toml", {}).config;
    EXPECT_EQ(again, loaded.config);
    return again.parallel.split;
  };
  EXPECT_EQ(split("[4, 3, 3, 4]"), "4,3,3,4");
  EXPECT_EQ(split("'4,3,3,4'"), "4,3,3,4");
  EXPECT_EQ(split("'type:\\bblock'"), "type:\\bblock");
  EXPECT_EQ(split("'parameters'"), "parameters");
}

TEST(LoadConfig, NamesTheNearestKeyWithItsLine) {
  EXPECT_EQ(error_of("[model]\n\nhiden = 3"),
            "run.toml:3: unknown key model.hiden; did you mean model.hidden?");
  EXPECT_EQ(error_of("", {"optimiser.beta1=0.9"}),
            "--set: unknown key optimiser.beta1; did you mean "
            "optimizer.beta1?");
  EXPECT_THAT(error_of("[model]\npreset = 'gpt2-123m'"),
              HasSubstr("did you mean gpt2-124m?"));
}

TEST(LoadConfig, RefusesAFamilyThatIsNotThePresets) {
  EXPECT_THAT(error_of("[model]\npreset = 'gpt2-124m'\nfamily = 'llama'"),
              StartsWith("model.family: wanted that of model.preset"));
  EXPECT_EQ(error_of("[model]\npreset = 'gpt2-124m'\nfamily = 'gpt'"),
            "no error");
}

TEST(LoadConfig, RefusesWhatDoesNotGoTogether) {
  struct Case {
    const char* set;
    const char* message;
  };
  for (const auto& [set, message] : {
           Case{"model.heads=7", "model.hidden: wanted a multiple of"},
           Case{"train.micro_batch=3", "train.global_batch: wanted a multiple"},
           Case{"train.batch_rampup=[3, 4, 9]", "train.batch_rampup: wanted"},
           Case{"data.sequence=2048", "data.sequence: wanted at most"},
           Case{"train.evaluate_every=5", "train.evaluate_every: wanted 0, or"},
           Case{"optimizer.warmup_steps=1000", "optimizer.warmup_steps"},
           Case{"parallel.tensor=5", "ranks can't share model.heads"},
           Case{"parallel.pipeline=200", "layers"},
           Case{"parallel.schedule=2f2b", "parallel.schedule: wanted one of"},
           Case{"parallel.split=evenly", "parallel.split: wanted \"even\","},
           Case{"parallel.split=type:(", "parallel.split: type:(: wanted a"},
           Case{"parallel.split=[4, 0]", "parallel.split: wanted \"even\","},
           Case{"parallel.split=profile", "wanted a file in parallel.profile"},
           Case{"parallel.zero=4", "parallel.zero: wanted"},
           Case{"parallel.bucket_mb=0", "parallel.bucket_mb: wanted"},
           Case{"parallel.expert=2", "parallel.expert: wanted 1, got 2: this"},
           Case{"parallel.data=0", "parallel.data: wanted a whole number from"},
           Case{"parallel.order=tp-pp", "parallel.order: wanted an order of"},
           Case{"memory.partition_checkpoints=true",
                "wanted memory.recompute = \"full\" beside it"},
           Case{"parallel.schedule=pipedream",
                "optimizer.clip_gradient beside parallel.schedule "
                "\"pipedream\""},
           Case{"precision.compute=fp64",
                "wanted one of \"fp32\", \"bf16\", \"fp16\", got \"fp64\""},
           Case{"precision.tf32=true",
                "precision.tf32: wanted train.device = \"cuda\" beside true"},
           Case{"train.device=gpu",
                "wanted one of \"cpu\", \"cuda\", \"sim\", got"},
       }) {
    EXPECT_THAT(error_of("", {set}), HasSubstr(message)) << set;
  }
}

TEST(LoadConfig, RefusesWhatSchedulesWithoutAFlushCannotDo) {
  const auto error = [](const std::string& set) {
    return error_of("",
                    {"parallel.schedule=pipedream-2bw",
                     "parallel.pipeline=2",
                     "optimizer.clip_gradient=0",
                     "model.tie_embeddings=false",
                     set});
  };
  EXPECT_EQ(error("parallel.zero=2"), "no error");
  EXPECT_THAT(error("parallel.zero=3"), HasSubstr("wanted 0, 1 or 2, got 3"));
  EXPECT_THAT(error("train.on_nonfinite=skip"), HasSubstr("wanted \"stop\""));
  EXPECT_THAT(error("model.tie_embeddings=true"), HasSubstr("wanted false"));
  EXPECT_THAT(error("optimizer.clip_gradient=1"),
              HasSubstr("wanted 0, got 1; parallel.schedule \"1f1b\""));
  EXPECT_THAT(error("train.batch_rampup=[4, 4, 100]"), HasSubstr("wanted []"));
}

TEST(LoadConfig, ChoosesMicroBatchesThatDivideEveryBatch) {
  const auto micro_batch = [](const std::vector<std::string>& sets) {
    return parse("", sets).config.train.micro_batch;
  };
  EXPECT_EQ(micro_batch({"train.global_batch=12"}), 6);
  EXPECT_EQ(micro_batch({"train.global_batch=13"}), 1);
  EXPECT_EQ(micro_batch({"train.global_batch=64"}), 8);
  EXPECT_EQ(
      micro_batch({"train.global_batch=16", "train.batch_rampup=[12, 2, 100]"}),
      2);
  EXPECT_EQ(micro_batch({"train.global_batch=36",
                         "parallel.schedule=pipedream",
                         "optimizer.clip_gradient=0"}),
            36);
}

TEST(LoadConfig, LeavesDataOpenUntilTheRanksAreKnown) {
  LoadedConfig loaded = parse("", {"train.global_batch=24"});
  EXPECT_THAT(to_toml(loaded), HasSubstr("\ndata = \"auto\""));
  take_ranks(loaded, 6);
  EXPECT_EQ(loaded.config.parallel.data, 6);
  EXPECT_EQ(loaded.config.train.micro_batch, 4);  // 24 / 6
  EXPECT_THAT(to_toml(loaded), HasSubstr("\ndata = 6 "));
  EXPECT_THROW(take_ranks(loaded, 4), UsageError);  // it is 6 now
}

TEST(LoadConfig, TakesOnlyRanksThatCanShareItsBatches) {
  LoadedConfig odd = parse("", {"train.global_batch=6"});
  EXPECT_THROW(take_ranks(odd, 4), UsageError);
  const auto groups = [](const char* size) {
    return parse(
        "", {"parallel.zero=1", fmt::format("parallel.zero_group={}", size)});
  };
  LoadedConfig three = groups("3");
  EXPECT_THROW(take_ranks(three, 4), UsageError);
  LoadedConfig two = groups("2");
  EXPECT_NO_THROW(take_ranks(two, 4));
}

TEST(LoadConfig, RefusesAGroupOfZeroWithoutIt) {
  EXPECT_THAT(error_of("", {"parallel.zero_group=2"}),
              HasSubstr("parallel.zero_group: wanted parallel.zero of 1, 2 or "
                        "3 beside it"));
}

TEST(LoadConfig, HasAFirstBucketThatIsNoLargerThanOthers) {
  EXPECT_EQ(
      parse("", {"parallel.bucket_mb=0.5"}).config.parallel.first_bucket_mb,
      0.5);
  EXPECT_EQ(parse("", {}).config.parallel.first_bucket_mb, 1);
  EXPECT_THAT(error_of("[parallel]\nfirst_bucket_mb = 30\n"),
              HasSubstr("parallel.first_bucket_mb: wanted at most "
                        "parallel.bucket_mb, 25, got 30 (run.toml:2)"));
}

// An automatic micro-batch makes way for the ranks.
TEST(LoadConfig, NamesTheNearestBatchesThatRanksCanShare) {
  const auto said = [](const std::vector<std::string>& sets) {
    LoadedConfig loaded = parse("", sets);
    try {
      take_ranks(loaded, 3);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(said({"train.global_batch=8"}),
              HasSubstr("the nearest are 6 and 9"));
  EXPECT_THAT(said({"train.global_batch=8", "train.micro_batch=2"}),
              HasSubstr("the nearest are 6 and 12"));
  EXPECT_THAT(said({"train.global_batch=2"}), HasSubstr("the nearest is 3"));
}

TEST(LoadConfig, SaysHowMoreRanksAreStarted) {
  LoadedConfig four = parse("", {"parallel.data=4"});
  try {
    take_ranks(four, 1);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("1 rank takes data 1"));
    EXPECT_THAT(error.what(), HasSubstr("--ranks"));
  }
}

TEST(MeshOf, TakesItsSizesFromTheConfiguration) {
  const mesh::Mesh mesh =
      mesh_of({.tensor = 2, .pipeline = 4, .order = "pp-dp-cp-ep-tp"}, 16);
  EXPECT_EQ(mesh.size(mesh::Axis::kTensor), 2);
  EXPECT_EQ(mesh.size(mesh::Axis::kPipe), 4);
  EXPECT_EQ(mesh.size(mesh::Axis::kData), 2);
  EXPECT_EQ(mesh.group(0, {mesh::Axis::kPipe}), (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(mesh_of({.context = 2, .expert = 2, .data = 2}, 8).size(), 8);
}

TEST(MeshOf, RefusesSizesThatDoNotMakeTheRanks) {
  constexpr std::int64_t kHuge = (std::int64_t{1} << 32) + 1;  // 1 as an int
  EXPECT_THROW(mesh_of({.tensor = 3}, 16), UsageError);
  EXPECT_THROW(mesh_of({.data = 3}, 16), UsageError);
  EXPECT_THROW(mesh_of({.tensor = kHuge}, 16), UsageError);
  EXPECT_THROW(mesh_of({.data = -kHuge}, 16), UsageError);
  EXPECT_THROW(mesh_of({.order = "tensor"}, 1), UsageError);
}

TEST(LoadConfig, OfAMissingFileNamesIt) {
  EXPECT_THROW(load_config("/nonexistent/run.toml", {}), Error);
}

}  // namespace
}  // namespace dure::train
