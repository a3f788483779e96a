#include "dure/checkpoint/manifest.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/json.h"
#include "dure/checkpoint/scratch_folder.h"

namespace dure::checkpoint {
namespace {

using testing::HasSubstr;

// An older manifest has one rate. Counts that no run can have are refused.
TEST(Manifest, ReadsOneRateForAllAndBoundsCounts) {
  const Manifest manifest = {.model = model::resolve({.dropout = 0.3})};
  nlohmann::json json = nlohmann::json::parse(to_json(manifest));
  EXPECT_EQ(json["model"]["dropout"], 0.3);
  EXPECT_EQ(json.erase("xxh64"), 1U);
  for (const char* key :
       {"embedding_dropout", "attention_dropout", "hidden_dropout"}) {
    EXPECT_EQ(json["model"].erase(key), 1U);
  }
  EXPECT_EQ(manifest_from_json(json.dump(), "m").model, manifest.model);
  json["model"]["attention_dropout"] = 0.1;
  const model::DropoutRates rates =
      manifest_from_json(json.dump(), "m").model.dropout;
  EXPECT_EQ(rates.embedding, 0.3);
  EXPECT_EQ(rates.attention, 0.1);
  for (const char* key : {"step", "consumed_samples"}) {
    nlohmann::json bad = json;
    bad[key] = std::int64_t{9223372036854775807};
    EXPECT_THAT(error_of([&] { manifest_from_json(bad.dump(), "m"); }),
                HasSubstr(std::string(key) + ": wanted a whole number from 0"));
  }
}

}  // namespace
}  // namespace dure::checkpoint
