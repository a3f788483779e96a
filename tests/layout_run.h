// `dure train` of a small model in a folder of its own.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "tests/program.h"
#include "tests/small_run.h"

namespace dure {

// The text after the progress lines.
inline std::string json_of(const std::string& text) {
  return text.substr(std::min(text.find('{'), text.size()));
}

struct LayoutRun : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_layouts_" + std::to_string(::getpid()));

  void SetUp() override {
    make_directories(folder);
    write_small_text((folder / "text").string());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  // Trains a small GPT with tied embeddings for 8 steps into folder/NAME, with
  // ranked sums.
  Outcome train(const std::string& before,
                const std::string& name,
                const std::string& more) const {
    const Path config = folder / "run.toml";
    write_file_atomically(config,
                          "[model]\nlayers = 2\nhidden = 32\nheads = 4\n"
                          "vocabulary = 61\nmax_sequence = 16\n"
                          "[data]\ntrain = [\"" +
                              (folder / "text").string() +
                              "\"]\n"
                              "[train]\nsteps = 8\nglobal_batch = 8\n"
                              "micro_batch = 1\n"
                              "[optimizer]\nwarmup_steps = 2\n"
                              "[parallel]\nsums = \"ranked\"\n");
    return run(before,
               "train " + config.string() + " --set log.directory=" +
                   (folder / name).string() + " " + more);
  }

  Path checkpoint(const std::string& name) const {
    return folder / name / "checkpoints" / "step_00000008";
  }
  std::string weights(const std::string& name) const {
    return read_file(checkpoint(name) / "model.safetensors");
  }
};

}  // namespace dure
