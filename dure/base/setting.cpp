#include "dure/base/setting.h"

#include <cstdio>
#include <optional>
#include <sstream>
#include <toml++/toml.h>
#include <utility>

#include "dure/base/check.h"

namespace dure {
namespace {

constexpr std::size_t kLongestShown = 60;
constexpr std::size_t kMostSettings = std::size_t{1} << 24;

std::string shorten(std::string text) {
  if (text.size() > kLongestShown) {
    text.resize(kLongestShown);
    while (!text.empty() && (text.back() & 0xC0) == 0x80) {
      text.pop_back();  // never half a character
    }
    text += "...";
  }
  return text;
}

std::string shown(const toml::node& node) {
  if (node.is_table()) {
    return "a table";
  }
  if (const auto* text = node.as_string()) {
    return shorten(quote(text->get()));
  }
  std::ostringstream out;
  node.visit([&out](const auto& value) { out << value; });
  return shorten(out.str());
}

template <typename Result>
std::optional<Result> scalar(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) {
    return flag->get();
  }
  if (const auto* whole = node.as_integer()) {
    return whole->get();
  }
  if (const auto* number = node.as_floating_point()) {
    return number->get();
  }
  if (const auto* text = node.as_string()) {
    return text->get();
  }
  return std::nullopt;
}

decltype(Setting::value) value_of(const toml::node& node) {
  if (auto simple = scalar<decltype(Setting::value)>(node)) {
    return *simple;
  }
  const auto* array = node.as_array();
  if (array == nullptr) {
    return Setting::Other{};
  }
  Setting::List list;
  for (const toml::node& element : *array) {
    auto item = scalar<Setting::Scalar>(element);
    if (!item) {
      return Setting::Other{};
    }
    list.push_back(std::move(*item));
  }
  return list;
}

std::string location(const std::string& name, const toml::source_region& at) {
  return name + ":" + std::to_string(at.begin.line);
}

toml::table parse(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw UsageError("{}: not TOML: {}",
                     location(name, error.source()),
                     error.description());
  }
}

Setting setting(std::string key, const toml::node& node, std::string where) {
  return {.key = std::move(key),
          .value = value_of(node),
          .text = shown(node),
          .where = std::move(where)};
}

}  // namespace

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", byte);
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::vector<Setting> parse_settings(std::string_view text,
                                    const std::string& name) {
  const toml::table root = parse(text, name);
  std::vector<Setting> settings;
  for (const auto& [section, node] : root) {
    const std::string prefix(section.str());
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      settings.push_back(setting(prefix, node, location(name, node.source())));
      continue;
    }
    for (const auto& [key, value] : *table) {
      settings.push_back(setting(prefix + "." + std::string(key.str()),
                                 value,
                                 location(name, value.source())));
    }
  }
  return settings;
}

std::vector<Setting> read_settings(const Path& path) {
  return parse_settings(read_file(path, kMostSettings), path.string());
}

Setting parse_set_argument(const std::string& argument) {
  const std::string where = "--set " + argument;
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError("{}: wanted section.key=value, such as train.steps=100",
                     where);
  }
  const std::string text = argument.substr(equals + 1);
  std::optional<toml::table> table;
  try {
    table = toml::parse("value = " + text);
  } catch (const toml::parse_error&) {
    table = parse("value = " + quote(text), where);  // a bare string
  }
  const toml::node* node = table->get("value");
  if (table->size() != 1 || node == nullptr) {  // the text held a new line
    table = parse("value = " + quote(text), where);
    node = table->get("value");
  }
  Setting result = setting(argument.substr(0, equals), *node, "--set");
  result.from = Setting::From::kCommandLine;
  if (!std::holds_alternative<std::string>(result.value)) {
    result.text = text;
  }
  return result;
}

}  // namespace dure
