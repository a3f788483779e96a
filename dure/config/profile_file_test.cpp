#include "dure/config/profile_file.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::train {
namespace {

using testing::HasSubstr;

ProfileFile example() {
  ProfileFile file{
      .model = model::resolve({.layers = 2, .hidden = 8, .heads = 2}),
      .micro_batch = 4,
      .sequence = 16,
      .threads = 2,
      .profile = {.layers = {}, .link_bytes_per_second = 2.5e9}};
  for (int i = 0; i < 4; ++i) {
    file.profile.layers.push_back({.forward_seconds = 0.1 * i,
                                   .backward_seconds = 0.3 * i,
                                   .output_bytes = 512,
                                   .weight_bytes = 1024.0 * i});
  }
  return file;
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = to_json(example());
  return text.replace(text.find(from), from.size(), to);
}

TEST(Profile, IsReadAsItWasWritten) {
  const ProfileFile file = example();
  EXPECT_EQ(profile_from_json(to_json(file), "p.json"), file);
}

TEST(Profile, ThatIsWrongSaysWhere) {
  struct Case {
    const char* from;
    const char* to;
    const char* message;
  };
  for (const auto& [from, to, message] : {
           Case{"dure-profile", "dure", "p.json: not a profile of Dure's"},
           Case{"\"version\": 1", "\"version\": 2", "has version 2"},
           Case{"\"micro_batch\": 4", "\"micro_batch\": 0", "micro_batch: "},
           Case{"\"hidden\": 8", "\"hidden\": 9", "model.hidden: wanted"},
           Case{"\"layers\": 2", "\"layers\": 3", "layers: wanted 5,"},
           Case{"\"embedding\"", "\"block\"", "0: wanted type embedding, fou"},
           Case{"2500000000.0", "0", "link_bytes_per_second: wanted 1 to"},
           Case{"\"forward_seconds\": 0.1",
                "\"forward_seconds\": -1",
                "layers: 1: forward_seconds: wanted 0 to"},
           Case{"\"output_bytes\": 512.0", "\"output\": 1", "output_bytes"},
       }) {
    try {
      profile_from_json(replaced(from, to), "p.json");
      ADD_FAILURE() << to;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

}  // namespace
}  // namespace dure::train
