#include "dure/cli/doctor_facts.h"

#include <fmt/core.h>

namespace dure::cli {

std::string size_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  int unit = 0;
  for (; unit < 4 && size >= 1024; ++unit) {
    size /= 1024;
  }
  return fmt::format("{:.4g} {}", size, kUnits[unit]);
}

std::string text_of(const Fact& fact) {
  if (!fact.text.empty()) {
    return fact.text;
  }
  return fact.value.is_null()     ? "not known"
         : fact.value.is_string() ? fact.value.get<std::string>()
                                  : fact.value.dump();
}

}  // namespace dure::cli
