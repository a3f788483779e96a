#include "dure/train/stages.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/train/profile.h"

namespace dure::train {
namespace {

using model::UnitRange;
using testing::HasSubstr;

Config of_split(const std::string& split) {
  Config config;
  config.model.layers = 4;
  config.model.hidden = 8;
  config.model.heads = 2;
  config.parallel.split = split;
  return resolve(config);
}

// A profile's file whose head takes as long as all else; removed at the end.
class Profiled {
 public:
  Profiled() {
    ProfileFile file{.model = of_split("profile").model};
    for (int i = 0; i < 6; ++i) {
      file.profile.layers.push_back({.forward_seconds = i == 5 ? 5.0 : 1.0});
    }
    write_file_atomically(path_, to_json(file));
  }
  ~Profiled() { std::filesystem::remove(path_); }
  Profiled(const Profiled&) = delete;
  Profiled& operator=(const Profiled&) = delete;

  std::string path() const { return path_.string(); }

 private:
  Path path_ = std::filesystem::temp_directory_path() /
               concat("dure_stages_test_", ::getpid(), ".json");
};

std::string error_of(const Config& config, int stages) {
  try {
    stages_of(config, stages);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(StagesOf, AreCutAsTheConfigurationSays) {
  const std::vector<UnitRange> even{{0, 3}, {3, 7}};
  EXPECT_EQ(stages_of(of_split("even"), 2), even);
  const std::vector<UnitRange> given{{0, 1}, {1, 7}};
  EXPECT_EQ(stages_of(of_split("1,5"), 2), given);
}

TEST(StagesOf, ReadAProfile) {
  const Profiled profiled;
  Config config = of_split("profile");
  config.parallel.profile = profiled.path();
  const std::vector<UnitRange> expected{{0, 5}, {5, 7}};
  EXPECT_EQ(stages_of(config, 2), expected);
  config.model.hidden = 16;
  EXPECT_THAT(error_of(config, 2),
              HasSubstr("was measured of another model: model.hidden is 8"));
}

TEST(StagesOf, ThatCannotBeNameTheKey) {
  EXPECT_THAT(error_of(of_split("even"), 7),
              HasSubstr("parallel.split: wanted at most as many stages"));
  EXPECT_THAT(error_of(of_split("1,2"), 2), HasSubstr("parallel.split: wan"));
}

}  // namespace
}  // namespace dure::train
