#include "dure/config/stage_units.h"

#include <filesystem>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/config/load_config.h"

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

// A profile whose head takes as long as all else.
ProfileFile of_slow_head() {
  ProfileFile file{.model = of_split("profile").model};
  for (int i = 0; i < 6; ++i) {
    file.profile.layers.push_back({.forward_seconds = i == 5 ? 5.0 : 1.0});
  }
  return file;
}

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

TEST(StagesOf, GoByAProfile) {
  Config config = of_split("profile");
  EXPECT_THAT(error_of(config, 2), HasSubstr("wanted a file"));
  config.parallel.measured = of_slow_head();
  const std::vector<UnitRange> expected{{0, 5}, {5, 7}};
  EXPECT_EQ(stages_of(config, 2), expected);
  config.model.hidden = 16;
  EXPECT_THAT(error_of(config, 2),
              HasSubstr("was measured of another model: model.hidden is 8"));
}

TEST(StagesOf, HaveTheProfileThatTheConfigurationNames) {
  const Path path = std::filesystem::temp_directory_path() /
                    fmt::format("dure_profile_of_a_split_{}.json", ::getpid());
  const ProfileFile file = of_slow_head();
  write_file_atomically(path, to_json(file));
  const std::string sets[] = {
      "model.layers=4",
      "model.hidden=8",
      "model.heads=2",
      "parallel.pipeline=2",
      "parallel.split=profile",
      fmt::format("parallel.profile={}", path.string())};
  const Config config = parse_config("", "test", sets).config;
  std::filesystem::remove(path);
  EXPECT_EQ(config.parallel.measured, file);
  const std::vector<UnitRange> expected{{0, 5}, {5, 7}};
  EXPECT_EQ(stages_of(config, 2), expected);
}

TEST(StagesOf, ThatCannotBeNameTheKey) {
  EXPECT_THAT(error_of(of_split("even"), 7),
              HasSubstr("parallel.split: wanted at most as many stages"));
  EXPECT_THAT(error_of(of_split("1,2"), 2), HasSubstr("parallel.split: wan"));
}

}  // namespace
}  // namespace dure::train
