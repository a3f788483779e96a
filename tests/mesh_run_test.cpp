// `dure train` on pipe x data x tensor: the files do not show on which mesh
// they were made, and a run on any mesh resumes from them.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/layout_run.h"

namespace dure {
namespace {

using testing::HasSubstr;

constexpr const char* kGpt = " --set model.layers=4 ";
constexpr const char* kUntied =
    " --set model.layers=4 --set model.tie_embeddings=false ";
constexpr const char* kLlama =
    " --set model.layers=4 --set model.family=llama --set model.kv_heads=2 ";

std::string mesh(int ranks, const std::string& parallel) {
  std::string sets = fmt::format(" --ranks {}", ranks);
  for (std::size_t first = 0; first < parallel.size();) {
    const std::size_t end =
        std::min(parallel.find(' ', first), parallel.size());
    sets += " --set parallel." + parallel.substr(first, end - first);
    first = end + 1;
  }
  return sets;
}

struct MeshRun : LayoutRun {
  void trains(const std::string& name, const std::string& more) const {
    const Outcome outcome = train("", name, more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  }

  std::string states(const std::string& name) const {
    return read_file(checkpoint(name) / "optimizer.safetensors");
  }

  // Expects equal weights and optimizer states, to the byte.
  void expect_same(const std::string& name, const std::string& other) const {
    EXPECT_TRUE(weights(name) == weights(other)) << name << ", " << other;
    EXPECT_TRUE(states(name) == states(other)) << name << ", " << other;
  }
};

TEST_F(MeshRun, CheckpointsAreThoseOfOneRank) {
  for (const char* model : {kGpt, kUntied, kLlama}) {
    SCOPED_TRACE(model);
    trains("one", model);
    for (const std::string parallel : {"pipeline=2 data=2 zero=0",
                                       "pipeline=2 data=2 zero=1",
                                       "pipeline=2 data=2 zero=2",
                                       "pipeline=2 data=2 zero=3"}) {
      SCOPED_TRACE(parallel);
      trains("four", model + mesh(4, parallel));
      expect_same("one", "four");
      std::filesystem::remove_all(folder / "four");
    }
    std::filesystem::remove_all(folder / "one");
  }
}

// All ranks of a tensor axis round alike.
TEST_F(MeshRun, CheckpointsOfSharedMatricesAreThoseOfTheTensorRanksAlone) {
  for (const std::string tensor : {"tensor=2 ", "tensor=2 sequence=true "}) {
    SCOPED_TRACE(tensor);
    trains("two", kGpt + mesh(2, tensor));
    for (const std::string more : {"pipeline=2 zero=0",
                                   "pipeline=2 zero=1",
                                   "pipeline=2 zero=2",
                                   "pipeline=2 zero=3"}) {
      SCOPED_TRACE(more);
      trains("eight", kGpt + mesh(8, tensor + more));
      expect_same("two", "eight");
      std::filesystem::remove_all(folder / "eight");
    }
    std::filesystem::remove_all(folder / "two");
  }
}

// Half of the steps are made on one mesh, the rest on another, as if on one.
TEST_F(MeshRun, AnyMeshGoesOnFromTheCheckpointOfAnother) {
  const auto goes_on = [&](const std::string& before,
                           const std::string& after) {
    SCOPED_TRACE(before + " ->" + after);
    trains("moved", kGpt + before + " --set checkpoint.every=4");
    std::filesystem::remove_all(checkpoint("moved"));
    trains("moved", kGpt + after + " --resume");
    expect_same("one", "moved");
    std::filesystem::remove_all(folder / "moved");
  };
  const std::string three = mesh(4, "pipeline=2 zero=3");
  const std::string deep = mesh(4, "pipeline=4 schedule=zb-h1");
  const std::string chunks =
      mesh(2, "pipeline=2 schedule=interleaved virtual_stages=2");
  trains("one", kGpt);
  goes_on("", three);
  goes_on(three, deep);
  goes_on(deep, chunks);
  goes_on(chunks, mesh(8, "pipeline=2 zero=1"));
  goes_on(mesh(8, "pipeline=4 zero=2"), "");
}

TEST_F(MeshRun, ReplicasAreComparedAndCheckpointsAreReadByAll) {
  trains("eight",
         kGpt + mesh(8, "pipeline=2 tensor=2 zero=1") +
             " --set train.check_replicas_every=2");
  const std::string eval = "eval --checkpoint " + (folder / "eight").string() +
                           " --data " + (folder / "text").string() +
                           " --batch 3 --samples 20 --json";
  const std::string alone = json_of(run("", eval).text);
  EXPECT_THAT(alone, HasSubstr("\"loss\""));
  EXPECT_EQ(json_of(run("", eval + " --ranks 6 --pipeline 3").text), alone);
  const std::string generate =
      "generate --checkpoint " + (folder / "eight").string() +
      " --tokenizer bytes --prompt '!' --prompt '#!' --prompt '!!!' --tokens 6";
  const Outcome text = run("", generate);
  EXPECT_EQ(text.exit_code, 0) << text.text;
  EXPECT_EQ(run("", generate + " --ranks 2 --pipeline 2").text, text.text);
  EXPECT_EQ(run("", generate + " --ranks 4 --pipeline 2").text, text.text);
}

TEST_F(MeshRun, SaysWhichRanksMakeStages) {
  const auto refused = [&](const std::string& arguments) {
    const Outcome outcome = run("", arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.text;
    return outcome.text;
  };
  trains("one", kGpt);
  const std::string of = " --checkpoint " + (folder / "one").string();
  EXPECT_THAT(refused("generate" + of +
                      " --tokenizer bytes --prompt '!' "
                      "--ranks 3 --pipeline 2"),
              HasSubstr("3 ranks do not make --pipeline 2 stages of as many "
                        "ranks each: wanted a multiple"));
  EXPECT_THAT(refused("generate" + of +
                      " --tokenizer bytes --prompt '!' "
                      "--ranks 7 --pipeline 7"),
              HasSubstr("6 layers"));
  EXPECT_THAT(refused("eval" + of + " --data " + (folder / "text").string() +
                      " --ranks 3 --pipeline 2"),
              HasSubstr("3"));
}

// This is the run of `make train`, shorter, if there are 16 cores.
TEST_F(MeshRun, SixteenThreadsTrainTheFirstRun) {
  const Outcome outcome =
      run("",
          "train examples/first_run.toml --ranks 16 "
          "--set parallel.pipeline=4 --set parallel.tensor=2 "
          "--set train.steps=2 --set optimizer.warmup_steps=1 "
          "--set data.sequence=16 "
          "--set train.evaluate_every=0 --set data.split= "
          "--set data.tokenizer= --set data.train=" +
              (folder / "text").string() +
              " --set log.directory=" + (folder / "first").string());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_TRUE(std::filesystem::exists(folder / "first" / "checkpoints" /
                                      "step_00000002"));
}

// The models fit on so many GPUs of 80 GB, to a tenth of a GiB, as docs/mesh.md
// says.
TEST(MeshExamples, ArePlannedAsThePageSays) {
  const std::string page = read_file("docs/mesh.md");
  for (const std::string gpus : {"1", "4", "8", "64", "1024"}) {
    const std::string file =
        "examples/mesh/" + gpus + (gpus == "1" ? "_gpu.toml" : "_gpus.toml");
    SCOPED_TRACE(file);
    EXPECT_EQ(run("", "train " + file + " --print-config").exit_code, 0);
    const Outcome plan = run("", "plan model " + file + " --json");
    ASSERT_EQ(plan.exit_code, 0) << plan.text;
    const auto facts = nlohmann::json::parse(plan.text);
    EXPECT_EQ(facts.at("ranks"), std::stoi(gpus));
    const double peak = facts.at("peak_bytes").at("total").get<double>();
    EXPECT_LT(peak, 80e9);
    char gib[16];
    std::snprintf(gib, sizeof gib, "%.1f", peak / (1 << 30));
    const std::size_t at =
        page.find(fmt::format("\n| {} |", gpus == "1024" ? "1,024" : gpus));
    ASSERT_NE(at, std::string::npos);
    EXPECT_THAT(page.substr(at, page.find('\n', at + 1) - at),
                testing::EndsWith(fmt::format(" {} |", gib)));
  }
}

#ifdef DURE_MPIRUN
TEST_F(MeshRun, ProcessesTrainWhatThreadsTrain) {
  const std::string parallel =
      "pipeline=2 data=2 tensor=2 sequence=true zero=2";
  trains("threads", kGpt + mesh(8, parallel));
  const std::string sets = mesh(8, parallel);
  const Outcome processes = train(DURE_MPIRUN " -n 8",
                                  "processes",
                                  kGpt + sets.substr(sets.find(" --set")));
  EXPECT_EQ(processes.exit_code, 0) << processes.text;
  expect_same("threads", "processes");
}
#endif

}  // namespace
}  // namespace dure
