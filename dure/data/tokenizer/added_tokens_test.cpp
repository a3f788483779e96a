#include "dure/data/tokenizer/added_tokens.h"

#include <gtest/gtest.h>

namespace dure::data {
namespace {

using Spans = std::vector<std::array<std::size_t, 3>>;  // begin, end, id

Spans all(const AddedTokens& tokens, std::string_view text) {
  Spans spans;
  for (const AddedTokens::Found& found : tokens.find_all(text)) {
    spans.push_back(
        {found.begin, found.end, static_cast<std::size_t>(found.id)});
  }
  return spans;
}

TEST(AddedTokens, TheLeftmostAndThenTheLongestIsFound) {
  const AddedTokens tokens({{.id = 1, .text = "<a>"},
                            {.id = 2, .text = "<a><b>"},
                            {.id = 3, .text = "a><b>c"}});
  EXPECT_EQ(all(tokens, "x<a><b>c<a>"), (Spans{{1, 7, 2}, {8, 11, 1}}));
}

TEST(AddedTokens, APartOfOneIsText) {
  const AddedTokens tokens({{.id = 1, .text = "<end>"}});
  EXPECT_EQ(all(tokens, "<en <e<end>nd> <end"), (Spans{{6, 11, 1}}));
}

TEST(AddedTokens, StrippingOnesSwallowWhiteSpaceOnTheirSide) {
  const AddedTokens left({{.id = 1, .text = "<m>", .strip_left = true}});
  EXPECT_EQ(all(left, "a \t\xc2\xa0<m> b"), (Spans{{1, 8, 1}}));
  const AddedTokens right({{.id = 1, .text = "<m>", .strip_right = true}});
  EXPECT_EQ(all(right, "a <m>\xe3\x80\x80\nb"), (Spans{{2, 9, 1}}));
}

TEST(AddedTokens, StrippingStopsAtTheTokenBefore) {
  const AddedTokens both({{.id = 1, .text = "<m>", .strip_left = true}});
  EXPECT_EQ(all(both, "<m>  <m>"), (Spans{{0, 3, 1}, {3, 8, 1}}));
}

TEST(AddedTokens, ASingleWordIsNotFoundBesideAnother) {
  const AddedTokens tokens(
      {{.id = 1, .text = "end", .single_word = true}, {.id = 2, .text = "nd"}});
  EXPECT_EQ(all(tokens, "end the-end. bend"), (Spans{{0, 3, 1}, {8, 11, 1}}));
  // The characters are a letter of Unicode 15, and a mark.
  EXPECT_EQ(all(tokens,
                "\xf0\x9e\x93\x90"
                "end end\xcc\x81"),
            Spans{});
}

}  // namespace
}  // namespace dure::data
