// Bytes as a configuration: they give a UsageError, or a configuration that
// prints as TOML and reads back the same. After a '!' they are one argument of
// --set.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/check.h"
#include "dure/config/load_config.h"

namespace {

using dure::train::LoadedConfig;

LoadedConfig parse(std::string_view input) {
  if (!input.empty() && input.front() == '!') {
    const std::vector<std::string> sets = {std::string(input.substr(1))};
    return dure::train::parse_config("", "fuzz", sets);
  }
  return dure::train::parse_config(input, "fuzz", {});
}

void expect_round_trip(const LoadedConfig& loaded) {
  const std::string toml = dure::train::to_toml(loaded);
  const LoadedConfig again = dure::train::parse_config(toml, "printed", {});
  if (again.config != loaded.config) {
    std::fputs(toml.c_str(), stderr);
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    expect_round_trip(parse({reinterpret_cast<const char*>(data), size}));
  } catch (const dure::UsageError&) {
  }
  return 0;
}
