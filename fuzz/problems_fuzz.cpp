// Bytes as a list of problems: whatever is read has sizes that an operation can
// be made of.
#include <cstddef>
#include <cstdint>
#include <string>

#include "dure/base/check.h"
#include "dure/roofline/problem.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& line : dure::roofline::parse_lines(text, "fuzz")) {
      for (const auto& [key, value] : line.sizes) {
        if (!(value > 0 && value < 0x1p53)) {
          __builtin_trap();
        }
      }
      static_cast<void>(line["rows"]);
    }
  } catch (const dure::Error&) {
    return 0;
  }
  return 0;
}
