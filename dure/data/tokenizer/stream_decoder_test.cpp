#include "dure/data/tokenizer/stream_decoder.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/base/random.h"
#include "dure/base/utf8.h"
#include "dure/data/tokenizer/test_text.h"

namespace dure::data {
namespace {

using Ids = std::vector<std::int32_t>;

const std::string kGolden = "tests/golden/tokenizer/";

std::vector<std::string> every_kind() {
  std::vector<std::string> specs = {
      "bytes", kGolden + "gpt2", kGolden + "gpt2.json", kGolden + "llama3"};
  for (const std::string& name : kPipelines) {
    specs.push_back(kGolden + "pipelines/" + name);
  }
#ifdef DURE_WITH_SENTENCEPIECE
  specs.push_back(kGolden + "bpe.model");  // with byte fallback
  specs.push_back(kGolden + "unigram.model");
#endif
  return specs;
}

class Streams : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(GetParam());

  // Ids of text, of bytes that form characters by threes, and of anything.
  Ids random_ids(std::uint64_t seed, std::uint64_t count) const {
    const RandomStream random(seed, "ids");
    Ids ids;
    for (std::uint64_t i = 0; ids.size() < count; ++i) {
      const auto vocabulary =
          static_cast<std::uint64_t>(tokenizer->vocabulary());
      const std::uint64_t few = std::min<std::uint64_t>(vocabulary, 262);
      const std::uint64_t choice = random.below(4, 3 * i);
      if (choice == 0) {
        tokenizer->encode(random_text(seed + i, 3), ids);
        continue;
      }
      const auto id = static_cast<std::int32_t>(
          random.below(choice == 1 ? few : vocabulary, 3 * i + 1));
      if (tokenizer->has_token(id)) {
        ids.push_back(id);
      }
    }
    return ids;
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds,
                         Streams,
                         testing::ValuesIn(every_kind()),
                         [](const auto& spec) {
                           return "Tokenizer" + std::to_string(spec.index);
                         });

TEST_P(Streams, InPiecesAreTheTextDecodedAtOnce) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Ids ids = random_ids(seed, 1 + seed % 40);
    EXPECT_EQ(decode_after(*tokenizer, {}, ids), tokenizer->decode(ids))
        << "seed " << seed;
  }
}

TEST_P(Streams, GoOnAfterAPromptAsItsTextWould) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ids before = tokenizer->encode(random_text(seed, 1 + seed % 5) + "a");
    const Ids ids = random_ids(seed, 1 + seed % 20);
    Ids all = before;
    all.insert(all.end(), ids.begin(), ids.end());
    EXPECT_EQ(tokenizer->decode(before) + decode_after(*tokenizer, before, ids),
              tokenizer->decode(all))
        << "seed " << seed;
  }
}

TEST_P(Streams, ShowNoPartsOfCharacters) {
  const std::string text =
      "x\xe2\x82\xac\xf0\x9f\xa6\x96 \xc3\xa9\xed\x95\x9c.";
  const Ids ids = tokenizer->encode(text);
  StreamDecoder decoder(*tokenizer);
  std::string all;
  for (const std::int32_t id : ids) {
    const std::string piece = decoder.add(id);
    EXPECT_EQ(valid_utf8_prefix(piece), piece.size());
    EXPECT_EQ(piece.find("\xef\xbf\xbd"), std::string::npos);
    all += piece;
  }
  EXPECT_EQ(all, tokenizer->decode(ids));
  EXPECT_EQ(decoder.finish(), "");
}

// No piece of text is held back until the end.
TEST_P(Streams, ShowWhatIsCertainAtOnce) {
  StreamDecoder decoder(*tokenizer);
  std::string all;
  const Ids ids = tokenizer->encode("the end");
  for (const std::int32_t id : ids) {
    all += decoder.add(id);
  }
  EXPECT_EQ(all, tokenizer->decode(ids));
}

#ifdef DURE_WITH_SENTENCEPIECE
TEST(SentencePieceStreams, KeepTheSpacesBetweenWords) {
  const auto tokenizer = load_tokenizer(kGolden + "bpe.model");
  const Ids prompt = tokenizer->encode("the quick");
  const Ids next = tokenizer->encode("the dog");
  EXPECT_EQ(decode_after(*tokenizer, prompt, next), " the dog");
  EXPECT_EQ(decode_after(*tokenizer, {}, next), "the dog");
  EXPECT_EQ(decode_after(*tokenizer, Ids{1}, next), "the dog");  // <s>
}
#endif

TEST(ByteStreams, EndInWhatIsLeftOfACharacter) {
  const auto tokenizer = load_tokenizer("bytes");
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.add(0xe2), "");
  EXPECT_EQ(decoder.add(0x82), "");
  EXPECT_EQ(decoder.add('a'),
            "\xe2\x82"
            "a");
  EXPECT_EQ(decoder.add(0xf0), "");
  EXPECT_EQ(decoder.finish(), "\xf0");
  EXPECT_EQ(decoder.finish(), "");
}

}  // namespace
}  // namespace dure::data
