#include "dure/data/tokenizer/huggingface_normalizer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "dure/base/quote.h"

namespace dure::data {
namespace {

std::optional<NormalForm> form_of(const std::string& type) {
  static constexpr std::array<std::pair<std::string_view, NormalForm>, 4>
      kNames = {{{"NFC", NormalForm::kC},
                 {"NFD", NormalForm::kD},
                 {"NFKC", NormalForm::kKC},
                 {"NFKD", NormalForm::kKD}}};
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) {
        return n.first == type;
      });
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

NormalizerStep read_replace(const Json& stage) {
  const JsonPattern pattern = pattern_in(stage);
  const std::string& content = text_in(stage, "content");
  if (pattern.kind == JsonPattern::Kind::kRegex) {
    return ReplaceMatches{pattern.text, content};
  }
  return ReplaceText{pattern.text, content};
}

void read_strip(const Json& stage, NormalizerSteps& steps) {
  const bool left = flag(stage, "strip_left", "Strip");
  const bool right = flag(stage, "strip_right", "Strip");
  if (left || right) {
    steps.push_back(StripSpaces{!right  ? StripSpaces::Ends::kLeft
                                : !left ? StripSpaces::Ends::kRight
                                        : StripSpaces::Ends::kBoth});
  }
}

void read_stage(const Json& stage, NormalizerSteps& steps) {
  const std::string type = type_of(stage);
  if (const auto form = form_of(type)) {
    steps.push_back(*form);
  } else if (type == "Replace") {
    steps.push_back(read_replace(stage));
  } else if (type == "Precompiled") {
    steps.push_back(
        MapCharacters{from_base64(text_in(stage, "precompiled_charsmap"))});
  } else if (type == "Prepend") {
    steps.push_back(Prepend{text_in(stage, "prepend")});
  } else if (type == "Lowercase") {
    steps.push_back(ToLowerCase{});
  } else if (type == "StripAccents") {
    steps.push_back(StripAccents{});
  } else if (type == "Strip") {
    read_strip(stage, steps);
  } else {
    DURE_CHECK(false,
               "normalizer {} is not supported: only NFC, NFD, NFKC, NFKD, "
               "Precompiled, Replace, Prepend, Lowercase, StripAccents and "
               "Strip are, alone or in a Sequence",
               quoted(type));
  }
}

}  // namespace

NormalizerSteps read_normalizer(const Json& object) {
  NormalizerSteps steps;
  for (const Json& stage : stages_of(object, "normalizers")) {
    read_stage(stage, steps);
  }
  return steps;
}

}  // namespace dure::data
