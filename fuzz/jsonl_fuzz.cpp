// Bytes as JSON Lines: no line crashes the reader, and if another parser finds
// the text of a line, ours finds the same.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "dure/base/check.h"
#include "dure/data/preprocess/byte_source.h"
#include "dure/data/preprocess/json_text.h"
#include "dure/data/preprocess/record_reader.h"

namespace {

// The text by nlohmann/json; none if it refuses the line, or if the key comes
// twice (it keeps the last, we the first).
std::optional<std::string> oracle(std::string_view line) {
  int texts = 0;
  const auto count = [&](int depth,
                         nlohmann::json::parse_event_t event,
                         const nlohmann::json& value) {
    texts += depth == 1 && event == nlohmann::json::parse_event_t::key &&
             value == "text";
    return true;
  };
  const auto object = nlohmann::json::parse(line, count, false);
  if (!object.is_object() || texts != 1 || !object["text"].is_string()) {
    return std::nullopt;
  }
  return object["text"].get<std::string>();
}

std::optional<std::string> text_of(dure::data::JsonText& json,
                                   std::string_view line) {
  std::string padded(line);
  padded.resize(line.size() + dure::data::JsonText::kPadding);
  try {
    return std::string(
        json.text(std::string_view(padded).substr(0, line.size())));
  } catch (const dure::Error&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  dure::data::MemorySource source(
      std::string_view(reinterpret_cast<const char*>(data), size));
  dure::data::RecordReader reader(source, dure::data::Cut::kLine);
  dure::data::JsonText json("text");
  std::string_view line;
  while (reader.next(line)) {
    // nlohmann/json skips a byte order mark, and ends at a zero byte.
    const bool lenient = line.starts_with("\xEF\xBB\xBF") ||
                         line.find('\0') != std::string_view::npos;
    const auto found = text_of(json, line);
    const auto expected = lenient ? std::nullopt : oracle(line);
    if (expected && found != expected) {
      __builtin_trap();
    }
  }
  return 0;
}
