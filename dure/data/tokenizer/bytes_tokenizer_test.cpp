#include "dure/data/tokenizer/bytes_tokenizer.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

TEST(BytesTokenizer, EveryByteIsItsOwnId) {
  std::string all;
  std::vector<std::int32_t> ids;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
    ids.push_back(byte);
  }
  const auto tokenizer = load_tokenizer("bytes");
  EXPECT_EQ(tokenizer->encode(all), ids);
  EXPECT_EQ(tokenizer->decode(ids), all);
}

TEST(BytesTokenizer, TheEndOfADocumentIsIdTwoHundredFiftySix) {
  const BytesTokenizer tokenizer;
  EXPECT_EQ(tokenizer.vocabulary(), 257);
  EXPECT_EQ(tokenizer.end_of_document(), 256);
  EXPECT_EQ(tokenizer.token_text(256), "");
}

TEST(BytesTokenizer, IdsOutsideAreRefused) {
  const BytesTokenizer tokenizer;
  EXPECT_THROW(tokenizer.token_text(257), Error);
  EXPECT_THROW(tokenizer.token_text(-1), Error);
}

TEST(LoadTokenizer, AMissingOneIsNamed) {
  try {
    load_tokenizer("no/such/place");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("no/such/place"), std::string::npos);
  }
}

}  // namespace
}  // namespace dure::data
