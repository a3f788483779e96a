#include "dure/checkpoint/generation_config.h"

#include <gmock/gmock.h>

#include "dure/checkpoint/scratch_folder.h"

namespace dure::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct GenerationConfig : ScratchFolder {
  std::vector<std::int32_t> ends(const std::string& text) const {
    write_file_atomically(folder() / "generation_config.json", text);
    return end_ids_in(folder());
  }
};

TEST_F(GenerationConfig, SaysWhatEndsAText) {
  EXPECT_THAT(end_ids_in(folder()), IsEmpty());
  EXPECT_THAT(ends(R"({"do_sample": true})"), IsEmpty());
  EXPECT_THAT(ends(R"({"eos_token_id": null})"), IsEmpty());
  EXPECT_THAT(ends(R"({"eos_token_id": 50256})"), ElementsAre(50256));
  EXPECT_THAT(ends(R"({"eos_token_id": [128001, 128008, 128009]})"),
              ElementsAre(128001, 128008, 128009));
}

TEST_F(GenerationConfig, RefusesWhatIsNoId) {
  for (const char* value :
       {"\"</s>\"", "-1", "1.5", "4294967296", "[1, \"a\"]", "{}"}) {
    EXPECT_THAT(
        error_of(
            [&] { ends(std::string("{\"eos_token_id\": ") + value + "}"); }),
        HasSubstr("generation_config.json: eos_token_id: wanted the id"))
        << value;
  }
}

}  // namespace
}  // namespace dure::checkpoint
