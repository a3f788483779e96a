// One `key = value` as a person wrote it: in a TOML file or after --set.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dure/base/files.h"

namespace dure {

struct Setting {
  using Scalar = std::variant<bool, std::int64_t, double, std::string>;
  using List = std::vector<Scalar>;
  struct Other {};  // a table, a date, a list of lists: no key takes these
  enum class From : std::uint8_t { kFile, kCommandLine };

  std::string key;  // "section.name"
  std::variant<Other, bool, std::int64_t, double, std::string, List> value;
  std::string text;   // the value as TOML, shortened, for messages
  std::string where;  // "run.toml:12", "--set"
  From from = From::kFile;
};

// Every value of a TOML text, in no fixed order. Messages call it `name`.
// Throws UsageError "name:line: ..." if it is not TOML, or a value stands
// outside any section.
std::vector<Setting> parse_settings(std::string_view text,
                                    const std::string& name);

std::vector<Setting> read_settings(const Path& path);

// The argument of --set: section.name=value, the value in TOML or, if it is not
// TOML, a string without its quotes. Throws UsageError without a '='.
Setting parse_set_argument(const std::string& argument);

// The text in quotes, as TOML escapes it.
std::string quote(std::string_view text);

}  // namespace dure
