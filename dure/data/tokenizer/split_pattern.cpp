#include "dure/data/tokenizer/split_pattern.h"

#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "dure/base/check.h"
#include "dure/data/tokenizer/pattern_dialect.h"

namespace dure::data {

const std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

const std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

struct Free {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

template <typename T>
using Handle = std::unique_ptr<T, Free>;

std::string error_text(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

Handle<pcre2_code> compile(std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE where = 0;
  Handle<pcre2_code> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                    pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                    &error,
                    &where,
                    nullptr));
  DURE_CHECK(code != nullptr,
             "the splitting pattern \"",
             pattern,
             "\" is wrong at byte ",
             where,
             ": ",
             error_text(error));
  return code;
}

std::uint32_t info(const pcre2_code* code, std::uint32_t what) {
  std::uint32_t value = 0;
  pcre2_pattern_info(code, what, &value);
  return value;
}

// Both well-known patterns read ASCII letters, with a space before them or
// none, as a word that ends before any other ASCII character. Said first and
// without \p{L}, that is half as fast again on English text.
std::string with_ascii_words_first(std::string_view pattern) {
  const std::string dialect = to_pcre2_dialect(pattern);
  const bool known = pattern == kGpt2Pattern || pattern == kLlama3Pattern;
  return known ? R"( ?[a-zA-Z]++(?![\x{80}-\x{10ffff}])|)" + dialect : dialect;
}

// One word, then up to kBatch - 1 more, each beginning where the last ended.
// The groups are atomic: a later word never takes back an earlier one's choice.
std::string batched(std::string_view pattern) {
  const std::string word = concat("((?>", pattern, "))");
  std::string all = word;
  for (std::size_t i = 1; i < SplitPattern::kBatch; ++i) {
    all += word + "?+";
  }
  return all;
}

}  // namespace

std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && std::isalnum(byte) == 0) {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

struct SplitScratch::State {
  Handle<pcre2_match_data> match{
      pcre2_match_data_create(SplitPattern::kBatch + 1, nullptr)};
  Handle<pcre2_match_context> context{pcre2_match_context_create(nullptr)};
  Handle<pcre2_jit_stack> stack{
      pcre2_jit_stack_create(32 << 10, 16 << 20, nullptr)};
};

SplitScratch::SplitScratch() : state_(std::make_unique<State>()) {
  DURE_CHECK(state_->match != nullptr && state_->context != nullptr &&
                 state_->stack != nullptr,
             "no memory for the splitting pattern's state");
  pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->stack.get());
}

SplitScratch::~SplitScratch() = default;

struct SplitPattern::Code {
  Handle<pcre2_code> code;
  bool jit = false;
};

SplitPattern::SplitPattern(std::string_view pattern)
    : code_(std::make_unique<Code>()) {
  const Handle<pcre2_code> single = compile(to_pcre2_dialect(pattern));
  DURE_CHECK(info(single.get(), PCRE2_INFO_MATCHEMPTY) == 0,
             "the splitting pattern \"",
             pattern,
             "\" can match an empty text, which is not supported");
  DURE_CHECK(info(single.get(), PCRE2_INFO_CAPTURECOUNT) == 0,
             "the splitting pattern \"",
             pattern,
             "\" captures groups, which is not supported: write (?:...)");
  code_->code = compile(batched(with_ascii_words_first(pattern)));
  // Without JIT (a hardened kernel, a rare CPU) the interpreter does the same.
  code_->jit = pcre2_jit_compile(code_->code.get(), PCRE2_JIT_COMPLETE) == 0;
}

SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;
SplitPattern::~SplitPattern() = default;

std::size_t SplitPattern::next(std::string_view text,
                               std::size_t begin,
                               std::span<std::size_t, kBatch + 1> ends,
                               SplitScratch& scratch) const {
  if (begin == text.size()) {
    return 0;
  }
  const auto run = code_->jit ? pcre2_jit_match : pcre2_match;
  pcre2_match_data* match = scratch.state_->match.get();
  const int groups = run(code_->code.get(),
                         reinterpret_cast<PCRE2_SPTR>(text.data()),
                         text.size(),
                         begin,
                         PCRE2_NO_UTF_CHECK,
                         match,
                         scratch.state_->context.get());
  if (groups == PCRE2_ERROR_NOMATCH) {
    ends[0] = text.size();
    return 1;
  }
  DURE_CHECK(groups > 0,
             "splitting a text of ",
             text.size(),
             " bytes failed at byte ",
             begin,
             ": ",
             error_text(groups));
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(match);
  std::size_t count = 0;
  if (found[0] > begin) {
    ends[count++] = found[0];
  }
  for (int group = 1; group < groups; ++group) {
    ends[count++] = found[2 * group + 1];
  }
  return count;
}

}  // namespace dure::data
