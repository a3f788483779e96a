// `dure doctor`: the facts of this machine and of what the tests put in place
// of its programs.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/program.h"

namespace dure {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A folder with a program that prints the text, to be put before PATH.
class Program {
 public:
  Program(const std::string& name, const std::string& text)
      : folder_(testing::TempDir() + "dure_doctor_" + name + "/") {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + name) << "#!/bin/sh\nprintf '" + text + "'\n";
    std::filesystem::permissions(folder_ + name,
                                 std::filesystem::perms::owner_all);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { std::filesystem::remove_all(folder_); }

  std::string path() const { return "PATH=" + folder_ + ":$PATH"; }

 private:
  std::string folder_;
};

json facts(const std::string& before) {
  const Outcome outcome = run(before, "doctor --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  return json::parse(outcome.text);
}

TEST(Doctor, FindsTwoRanksThatCommunicate) {
  const Outcome outcome = run("", "doctor --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("\"two_ranks\": \"all_reduce right"));
}

// The machine's parts, and how MPI and Slurm find each other, are values that a
// program can read, whichever of them the machine has.
TEST(Doctor, PrintsEveryFactAsATableAndAsJson) {
  const Outcome table = run("", "doctor");
  EXPECT_EQ(table.exit_code, 0) << table.text;
  const json found = facts("");
  for (const auto& [name, value] : found.items()) {
    EXPECT_THAT("\n" + table.text, HasSubstr("\n" + name + " "));
  }
  EXPECT_GE(found.at("threads").get<int>(), 1);
  EXPECT_FALSE(found.at("threads_usable").empty());
  EXPECT_GT(found.at("memory").get<std::uint64_t>(), 1U << 20);
  EXPECT_TRUE(found.at("mpi_managers").is_array());
  EXPECT_TRUE(found.at("slurm_mpi").is_array());
  EXPECT_TRUE(found.at("numa_nodes").is_array());
  EXPECT_TRUE(found.at("caches").is_array());
}

// There is an srun of another kind than the MPI's, and one of the same kind.
TEST(Doctor, SaysHowToStartRanksUnderSlurm) {
  const Program srun(
      "srun", "MPI plugin types are...\\n\\tnone\\n\\tpmi2\\n\\tpmix\\n");
  const json found = facts(srun.path());
  EXPECT_EQ(found.at("slurm_mpi"), json({"none", "pmi2", "pmix"}));
  const auto managers =
      found.at("mpi_managers").get<std::vector<std::string>>();
  EXPECT_EQ(found.at("srun"),
            managers.empty()        ? "none"
            : managers[0] == "pmix" ? "srun --mpi=pmix"
                                    : "srun --mpi=pmi2");
}

#ifdef DURE_CUDA_EMULATED
// A device more, so that there are pairs.
TEST(Doctor, TellsOfGpusAndHowTheyReachOneAnother) {
  const Program smi("nvidia-smi",
                    "\\t\\033[4mGPU0\\tGPU1\\033[0m\\nGPU0\\tX\\tNV18\\n"
                    "GPU1\\tNV18\\tX\\n\\nLegend:\\n");
  const json found = facts("CUDA_EMULATOR_DEVICES=2 " + smi.path());
  EXPECT_THAT(found.at("cuda"), HasSubstr("emulated on the CPU"));
  EXPECT_THAT(found.at("cuda_driver"), HasSubstr("CUDA "));
  EXPECT_TRUE(found.at("cuda_libraries").at("cublaslt").is_string());
  ASSERT_EQ(found.at("cuda_devices").size(), 2U);
  const json& second = found.at("cuda_devices").at(1);
  EXPECT_EQ(second.at("number"), 1);
  EXPECT_EQ(second.at("name"), "emulated device");
  EXPECT_EQ(second.at("compute_capability"), "9.0");
  EXPECT_EQ(second.at("pci_bus"), "0000:01:00.0");
  EXPECT_GE(second.at("multiprocessors"), 1);
  EXPECT_GT(second.at("free_bytes"), 0);
  EXPECT_LE(second.at("free_bytes"), second.at("bytes"));
  ASSERT_EQ(found.at("cuda_pairs").size(), 2U);
  EXPECT_EQ(found.at("cuda_pairs").at(0),
            json({{"from", 0},
                  {"to", 1},
                  {"access", true},
                  {"atomics", true},
                  {"performance_rank", 0}}));
  EXPECT_EQ(found.at("cuda_links"),
            json({"\tGPU0\tGPU1", "GPU0\tX\tNV18", "GPU1\tNV18\tX"}));
}

TEST(Doctor, PrintsADeviceALine) {
  const Outcome table = run("CUDA_EMULATOR_DEVICES=2", "doctor");
  EXPECT_THAT(table.text,
              HasSubstr("\ncuda_devices      0: emulated device, "));
  EXPECT_THAT(table.text,
              HasSubstr("\n                  1: emulated device, "));
  EXPECT_THAT(table.text,
              HasSubstr("\ncuda_pairs        0>1 1>0: direct, with atomics, "
                        "link of rank 0\n"));
}

TEST(Doctor, SaysWhyThereAreNoGpus) {
  const Outcome hidden = run("CUDA_EMULATOR_DEVICES=0", "doctor");
  EXPECT_EQ(hidden.exit_code, 0) << hidden.text;
  EXPECT_THAT(hidden.text,
              HasSubstr("\ncuda_devices      none: cudaGetDeviceCount failed"));
  EXPECT_THAT(hidden.text, HasSubstr("no GPU is visible: see nvidia-smi"));
  const Outcome bare = run("CUDA_EMULATOR_DEVICES=-1", "doctor");
  EXPECT_EQ(bare.exit_code, 0) << bare.text;
  EXPECT_THAT(bare.text, HasSubstr("\ncuda_driver       none\n"));
  EXPECT_THAT(bare.text,
              HasSubstr("\ncuda_devices      none: there is no NVIDIA driver: "
                        "install one that runs CUDA "));
}
#elif !defined(DURE_WITH_CUDA)
TEST(Doctor, SaysInOneLineThatTheBuildHasNoCuda) {
  const json found = facts("");
  EXPECT_EQ(found.at("cuda"),
            "none: this dure was built without CUDA (DURE_WITH_CUDA)");
  EXPECT_FALSE(found.contains("cuda_devices"));
}
#endif

}  // namespace
}  // namespace dure
