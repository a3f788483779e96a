#include "dure/data/tokenizer/huggingface_decoder.h"

#include <utility>

#include "dure/base/quote.h"
#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

using Stage = DecoderSteps::TokenStep;

Stage read_replace(const Json& stage) {
  const JsonPattern pattern = pattern_in(stage);
  const std::string& content = text_in(stage, "content");
  if (pattern.kind == JsonPattern::Kind::kRegex) {
    return ReplaceMatches{pattern.text, content};
  }
  return ReplaceText{pattern.text, content};
}

std::size_t count_in(const Json& stage, const char* key) {
  const Json& value = part(stage, key);
  DURE_CHECK(value.is_number_unsigned(),
             "Strip.{} must be a count, got {}",
             key,
             shown(value));
  return value.get<std::size_t>();
}

StripDecoder read_strip(const Json& stage) {
  const std::string& content = text_in(stage, "content");
  DURE_CHECK(
      !content.empty() && character_at(content, 0).bytes == content.size(),
      "Strip.content must be one character, got {}",
      quoted(content));
  return {content, count_in(stage, "start"), count_in(stage, "stop")};
}

// In old files add_prefix_space stands for the scheme "never".
MetaspaceDecoder read_metaspace(const Json& stage) {
  const bool never = part(stage, "prepend_scheme") == "never" ||
                     (part(stage, "add_prefix_space").is_boolean() &&
                      !flag(stage, "add_prefix_space", "Metaspace"));
  return {metaspace_of(stage),
          never ? MetaspaceDecoder::First::kWithSpaces
                : MetaspaceDecoder::First::kWithoutSpaces};
}

// Fills in the steps, one stage after another.
class Reader {
 public:
  void read(const Json& stage) {
    const std::string type = type_of(stage);
    if (fused_) {
      DURE_CHECK(type == "Strip",
                 "decoder {} after Fuse is not supported: only Strip is",
                 quoted(type));
      steps_.of_all.push_back(read_strip(stage));
    } else if (type == "Fuse") {
      fused_ = true;
    } else if (type == "ByteFallback") {
      DURE_CHECK(steps_.bytes == DecoderSteps::Bytes::kText,
                 "a decoder with two ByteFallback is not supported");
      steps_.bytes = DecoderSteps::Bytes::kBytes;
    } else {
      (steps_.bytes == DecoderSteps::Bytes::kText ? steps_.before_bytes
                                                  : steps_.after_bytes)
          .push_back(token_step(stage, type));
    }
  }

  DecoderSteps take() { return std::move(steps_); }

 private:
  static Stage token_step(const Json& stage, const std::string& type) {
    if (type == "Replace") {
      return read_replace(stage);
    }
    if (type == "Strip") {
      return read_strip(stage);
    }
    DURE_CHECK(type == "Metaspace",
               "decoder {} is not supported: only Replace, ByteFallback, Fuse, "
               "Strip and Metaspace are, alone or in a Sequence, and ByteLevel "
               "after a ByteLevel pre_tokenizer",
               quoted(type));
    return read_metaspace(stage);
  }

  DecoderSteps steps_;
  bool fused_ = false;
};

}  // namespace

DecoderSteps read_decoder(const Json& object) {
  if (object.is_null()) {
    return {.between = " "};
  }
  Reader reader;
  for (const Json& stage : stages_of(object, "decoders")) {
    reader.read(stage);
  }
  return reader.take();
}

void expect_byte_level_decoder(const Json& object) {
  const std::vector<Json> stages = stages_of(object, "decoders");
  for (const Json& stage : stages) {
    DURE_CHECK(stages.size() == 1 && type_of(stage) == "ByteLevel",
               "decoder {} is not supported after a ByteLevel pre_tokenizer: "
               "only ByteLevel is",
               quoted(type_of(stage)));
  }
}

}  // namespace dure::data
