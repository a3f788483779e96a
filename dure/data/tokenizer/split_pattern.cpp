#include "dure/data/tokenizer/split_pattern.h"

#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/pcre2.h"
#include "dure/data/tokenizer/code_points.h"

namespace dure::data {

const std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

const std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Qwen2's pattern differs from Llama 3's in having one digit a word.
const std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

Pcre2<pcre2_code> compile(std::string_view pattern) {
  return pcre2_compiled(pattern, PCRE2_UTF | PCRE2_UCP);
}

std::uint32_t info(const pcre2_code* code, std::uint32_t what) {
  std::uint32_t value = 0;
  pcre2_pattern_info(code, what, &value);
  return value;
}

// The well-known patterns read ASCII letters, with or without a space before
// them, as a word that ends before any other ASCII character. An alternative
// for this comes first, without \p{L}, and makes English text 1.5 times as
// fast.
std::string with_ascii_words_first(std::string_view pattern) {
  const std::string dialect =
      to_pcre2_dialect(pattern, CharacterClasses::kOfPcre2);
  const bool known = pattern == kGpt2Pattern || pattern == kLlama3Pattern ||
                     pattern == kQwen2Pattern;
  return known ? R"( ?[a-zA-Z]++(?![\x{80}-\x{10ffff}])|)" + dialect : dialect;
}

// Matches one word, then up to kBatch - 1 more, each beginning where the last
// ended. The groups are atomic: a later word never changes an earlier one.
std::string batched(std::string_view pattern) {
  const std::string word = fmt::format("((?>{}))", pattern);
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

SplitPattern::Subject::Subject(std::string_view of)
    : text(of),
      classes(has_changed_characters(of) ? CharacterClasses::kOfUnicode16
                                         : CharacterClasses::kOfPcre2) {}

struct SplitScratch::State {
  Pcre2<pcre2_match_data> match{
      pcre2_match_data_create(SplitPattern::kBatch + 1, nullptr)};
  Pcre2<pcre2_match_context> context{pcre2_match_context_create(nullptr)};
  Pcre2<pcre2_jit_stack> stack{
      pcre2_jit_stack_create(32 << 10, 16 << 20, nullptr)};
};

SplitScratch::SplitScratch() = default;

SplitScratch::State& SplitScratch::state() {
  if (state_ == nullptr) {
    state_ = std::make_unique<State>();
    DURE_CHECK(state_->match != nullptr && state_->context != nullptr &&
                   state_->stack != nullptr,
               "no memory for the splitting pattern's state");
    pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->stack.get());
  }
  return *state_;
}

SplitScratch::~SplitScratch() = default;

struct SplitPattern::Code {
  explicit Code(const std::string& pattern) : code(compile(pattern)) {
    // Without JIT (a hardened kernel, a rare CPU) the interpreter gives the
    // same results.
    jit = pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE) == 0;
  }

  Pcre2<pcre2_code> code;
  bool jit = false;
};

SplitPattern::SplitPattern(std::string_view pattern) {
  const Pcre2<pcre2_code> single =
      compile(to_pcre2_dialect(pattern, CharacterClasses::kOfPcre2));
  DURE_CHECK(info(single.get(), PCRE2_INFO_MATCHEMPTY) == 0,
             "the splitting pattern \"{}\" can match an empty text, which is "
             "not supported",
             pattern);
  DURE_CHECK(info(single.get(), PCRE2_INFO_CAPTURECOUNT) == 0,
             "the splitting pattern \"{}\" captures groups, which is not "
             "supported: write (?:...)",
             pattern);
  quick_ = std::make_unique<Code>(batched(with_ascii_words_first(pattern)));
  // The exact pattern takes one word at a time, as it is rarely used and long.
  const std::string exact =
      to_pcre2_dialect(pattern, CharacterClasses::kOfUnicode16);
  exact_ = std::make_unique<Code>(fmt::format("((?>{}))", exact));
}

SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;
SplitPattern::~SplitPattern() = default;

SplitPattern::Found SplitPattern::next(const Subject& subject,
                                       std::size_t begin,
                                       Ends& ends,
                                       SplitScratch& scratch) const {
  const std::string_view text = subject.text;
  if (begin == text.size()) {
    return {0, 0};
  }
  const Code& code =
      subject.classes == CharacterClasses::kOfPcre2 ? *quick_ : *exact_;
  const auto run = code.jit ? pcre2_jit_match : pcre2_match;
  const SplitScratch::State& state = scratch.state();
  pcre2_match_data* match = state.match.get();
  const int groups = run(code.code.get(),
                         reinterpret_cast<PCRE2_SPTR>(text.data()),
                         text.size(),
                         begin,
                         PCRE2_NO_UTF_CHECK,
                         match,
                         state.context.get());
  if (groups == PCRE2_ERROR_NOMATCH) {
    ends[0] = text.size();
    return {1, 1};
  }
  DURE_CHECK(groups > 0,
             "splitting a text of {} bytes failed at byte {}: {}",
             text.size(),
             begin,
             pcre2_error_text(groups));
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(match);
  std::size_t count = 0;
  if (found[0] > begin) {
    ends[count++] = found[0];
  }
  const std::size_t between = count;
  for (int group = 1; group < groups; ++group) {
    ends[count++] = found[2 * group + 1];
  }
  return {count, between};
}

}  // namespace dure::data
