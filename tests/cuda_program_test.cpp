// The program on a GPU, or on the emulated one, and in a build without CUDA.
#include <cstdlib>
#include <gmock/gmock.h>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

using testing::HasSubstr;

constexpr const char* kMore =
    " --set train.steps=6 --set checkpoint.every=3 --set data.split=90,10,0"
    " --set train.evaluate_every=3 --set train.evaluate_steps=1";

class CudaProgram : public TrainedFolder {
 protected:
  static Outcome train(const std::string& name,
                       const std::string& device,
                       const std::string& more = "") {
    return dure("train config.toml --set log.directory=" + name +
                " --set train.device=" + device + kMore + " " + more);
  }

  static std::vector<nlohmann::json> metrics(const std::string& name) {
    std::istringstream file(read(name + "/metrics.jsonl"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }

  static void expect_near(const std::string& here,
                          const std::string& reference) {
    const auto a = metrics(here);
    const auto b = metrics(reference);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (const char* key : {"loss", "grad_norm", "validation_loss"}) {
        ASSERT_EQ(a[i].contains(key), b[i].contains(key)) << a[i];
        if (a[i].contains(key)) {
          const double expected = b[i][key].get<double>();
          EXPECT_NEAR(a[i][key].get<double>(), expected, 1e-5 * expected)
              << key;
        }
      }
    }
  }

  static std::string end_of(const std::string& name) {
    return read(name + "/checkpoints/step_00000006/model.safetensors") +
           read(name + "/checkpoints/step_00000006/optimizer.safetensors");
  }
};

#ifdef DURE_WITH_CUDA

TEST_F(CudaProgram, TrainsAsOnTheCpu) {
  const Outcome gpu = train("gpu", "cuda");
  ASSERT_EQ(gpu.exit_code, 0) << gpu.errors;
  ASSERT_EQ(train("cpu", "cpu").exit_code, 0);
  expect_near("gpu", "cpu");
}

TEST_F(CudaProgram, ResumesToTheSameBits) {
  ASSERT_EQ(train("whole", "cuda").exit_code, 0);
  ASSERT_EQ(train("half", "cuda").exit_code, 0);
  ASSERT_EQ(shell("rm -r half/checkpoints/step_00000006").exit_code, 0);
  const Outcome resumed = train("half", "cuda", "--resume");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.errors;
  EXPECT_TRUE(end_of("half") == end_of("whole"));
}

TEST_F(CudaProgram, GoesOnWithWhatTheOtherDeviceSaved) {
  ASSERT_EQ(train("straight", "cpu").exit_code, 0);
  for (const auto& [first, then] :
       {std::pair("cpu", "cuda"), std::pair("cuda", "cpu")}) {
    const std::string name = std::string("from_") + first;
    ASSERT_EQ(train(name, first).exit_code, 0);
    ASSERT_EQ(shell("rm -r " + name + "/checkpoints/step_00000006").exit_code,
              0);
    const Outcome resumed = train(name, then, "--resume");
    ASSERT_EQ(resumed.exit_code, 0) << resumed.errors;
    expect_near(name, "straight");
  }
}

TEST_F(CudaProgram, EvaluatesAndContinuesPrompts) {
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    const std::string as =
        std::string(" --precision ") + precision + " --device ";
    const std::string eval = "eval --json --checkpoint run --data text";
    const Outcome gpu = dure(eval + as + "cuda");
    ASSERT_EQ(gpu.exit_code, 0) << gpu.errors;
    const double expected =
        nlohmann::json::parse(dure(eval + as + "cpu").output)["loss"];
    EXPECT_NEAR(nlohmann::json::parse(gpu.output)["loss"].get<double>(),
                expected,
                (std::string("fp32") == precision ? 1e-6 : 1e-3) * expected);
    const Outcome text = dure(
        "generate --checkpoint run --prompt line --tokens 5 --temperature 0" +
        as + "cuda");
    EXPECT_EQ(text.exit_code, 0) << text.errors;
  }
  const std::string generate =
      "generate --checkpoint run --prompt 'one line' --tokens 7 "
      "--temperature 0 --device ";
  EXPECT_EQ(dure(generate + "cuda").output, dure(generate + "cpu").output);
}

TEST_F(CudaProgram, ComparesItselfWithTheCpu) {
  const Outcome outcome =
      dure("parity config.toml --set train.device=cuda --steps 2");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output << outcome.errors;
}

// The GPU's launches are the CPU's, but for copies, one after another on one
// line of the picture, and each took some time.
TEST_F(CudaProgram, TracesEveryLaunchByTheClockOfTheGpu) {
  std::map<std::string, std::map<std::string, int>> launches;
  for (const char* device : {"cuda", "cpu"}) {
    const std::string name = std::string("traced_") + device;
    ASSERT_EQ(train(name, device, "--set log.trace=true").exit_code, 0);
    const auto trace = nlohmann::json::parse(read(name + "/trace.json"));
    for (const auto& event : trace.at("traceEvents")) {
      if (event.value("cat", "") == "compute") {
        ++launches[device][event.at("name")];
        EXPECT_EQ(event.at("tid"), 0) << event;
        EXPECT_GT(event.at("dur"), 0) << event;
      }
    }
  }
  for (auto& [device, counts] : launches) {
    EXPECT_GT(counts["matmul"], 0) << device;
    counts.erase("upload");
    counts.erase("download");
  }
  EXPECT_EQ(launches["cuda"], launches["cpu"]);
}

#ifdef DURE_CUDA_EMULATED
// A T4 says it is 7.5.
TEST_F(CudaProgram, RefusesBf16WhereTheGpuHasNoProductsOfIt) {
  // The first use of data leaves an index beside them.
  ASSERT_EQ(dure("eval --checkpoint run --data text").exit_code, 0);
  ::setenv("CUDA_EMULATOR_CAPABILITY", "75", 1);
  for (const char* arguments :
       {"train config.toml --set train.device=cuda --set log.directory=t4 "
        "--set precision.compute=bf16",
        "eval --checkpoint run --data text --device cuda --precision bf16"}) {
    refuses(arguments,
            kFailed,
            "wanted a GPU of compute capability 8.0 or later, got emulated "
            "device of 7.5");
  }
  EXPECT_EQ(train("t4", "cuda", "--set precision.compute=fp16").exit_code, 0);
  ::unsetenv("CUDA_EMULATOR_CAPABILITY");
}
#endif

TEST_F(CudaProgram, TrainsOnOneRankOnly) {
  refuses(
      "train config.toml --ranks 2 --set train.device=cuda --set "
      "log.directory=two",
      kUsage,
      "wanted 1 rank, got 2");
}

#else

TEST_F(CudaProgram, SaysThatItWasBuiltWithoutCuda) {
  // The first use of data leaves an index beside them.
  ASSERT_EQ(dure("eval --checkpoint run --data text").exit_code, 0);
  for (const char* arguments :
       {"train config.toml --set train.device=cuda --set log.directory=gpu",
        "eval --checkpoint run --data text --device cuda",
        "generate --checkpoint run --prompt x --device cuda"}) {
    refuses(arguments, kFailed, "this Dure was built without CUDA");
  }
}

#endif

}  // namespace
}  // namespace dure
