// A folder with a text, its tokens and a trained model, in which tests run the
// real program. Each suite that derives from it has a folder of its own.
#pragma once

#include <cstdlib>
#include <set>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/files.h"

namespace dure {

inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

inline constexpr const char* kConfig = R"(
[model]
layers = 1
hidden = 16
heads = 2
vocabulary = 257
max_sequence = 16
[data]
train = "text"
tokenizer = "bytes"
sequence = 16
[train]
steps = 2
global_batch = 2
[log]
directory = "run"
)";

struct Outcome {
  int exit_code = 0;
  std::string output = {};  // standard output
  std::string errors = {};  // standard error
};

class TrainedFolder : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder() = std::filesystem::temp_directory_path() /
               ("dure_bad_" + std::to_string(::getpid()));
    make_directories(folder());
    std::string lines;
    for (int i = 0; i < 50; ++i) {
      lines += "{\"text\": \"one line of many, number " + std::to_string(i) +
               "\"}\n";
    }
    write("text.jsonl", lines);
    write("config.toml", kConfig);
    ASSERT_EQ(dure("preprocess --input text.jsonl --tokenizer bytes --output "
                   "text")
                  .exit_code,
              0);
    ASSERT_EQ(dure("train config.toml").exit_code, 0);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }

  static Path& folder() {
    static Path path;
    return path;
  }

  static void write(const std::string& name, const std::string& text) {
    make_directories((folder() / name).parent_path());
    write_file_atomically(folder() / name, text);
  }
  static std::string read(const std::string& name) {
    return read_file(folder() / name);
  }

  // Runs a line of bash in the folder, in which $DURE is the program.
  static Outcome shell(const std::string& line) {
    const Path script = folder().string() + ".sh";
    const Path output = folder().string() + ".out";
    const Path errors = folder().string() + ".err";
    write_file_atomically(script,
                          "cd '" + folder().string() +
                              "' || exit 99\nDURE='" DURE_BINARY "'\n" + line +
                              "\n");
    const int status =
        std::system(("bash '" + script.string() + "' >'" + output.string() +
                     "' 2>'" + errors.string() + "' </dev/null")
                        .c_str());
    Outcome outcome = {
        WEXITSTATUS(status), read_file(output), read_file(errors)};
    for (const Path& path : {script, output, errors}) {
      std::filesystem::remove(path);
    }
    return outcome;
  }

  // `before` is shell code, such as a limit.
  static Outcome dure(const std::string& arguments,
                      const std::string& before = "true") {
    return shell(before + " && timeout 60 \"$DURE\" " + arguments);
  }

  static std::set<std::string> files() {
    std::set<std::string> names;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder())) {
      names.insert(entry.path().string());
    }
    return names;
  }

  // Expects one line "error: ...", which contains `said`, and no new file.
  static void refuses(const std::string& arguments,
                      int exit_code,
                      const std::string& said,
                      const std::string& before = "true") {
    SCOPED_TRACE(arguments);
    const auto there = files();
    const Outcome outcome = dure(arguments, before);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.errors;
    EXPECT_NE(outcome.errors.find(said), std::string::npos) << outcome.errors;
    std::size_t lines = 0;
    for (std::size_t at = outcome.errors.find("error: ");
         at != std::string::npos;
         at = outcome.errors.find("\nerror: ", at + 1)) {
      ++lines;
    }
    EXPECT_EQ(lines, 1U) << outcome.errors;
    EXPECT_EQ(files(), there);
  }
};

}  // namespace dure
