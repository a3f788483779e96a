#include "dure/base/fields.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <utility>

namespace dure {
namespace {

using Scalar = Setting::Scalar;

// A value of a setting or of a list's element as T, if it has that type.
template <typename T, typename Variant>
const T* as(const Variant& value) {
  return std::get_if<T>(&value);
}

bool within(std::int64_t value, const Whole& range) {
  return value >= range.least && value <= range.most;
}

// An end that is excluded must not be reached by rounding to f32 either.
bool within(double value, const Real& range) {
  const double rounded = static_cast<float>(value);
  const bool low = range.low == End::kExcluded
                       ? value > range.least && rounded > range.least
                       : value >= range.least;
  const bool high = range.high == End::kExcluded
                        ? value < range.most && rounded < range.most
                        : value <= range.most;
  return low && high &&
         (value == 0 || std::isnormal(static_cast<float>(value)));
}

template <typename T>
std::string digits(T value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

// TOML tells 1.0, a number, from 1, a whole number.
std::string number_text(double value) {
  const std::string text = digits(value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string describe(const Whole& range) {
  const bool open = range.most == std::numeric_limits<std::int64_t>::max();
  std::string text = "a whole number";
  text += open ? " of " + digits(range.least) + " or more"
               : " from " + digits(range.least) + " to " + digits(range.most);
  return range.automatic ? text + ", or \"auto\"" : text;
}

std::string describe(const Real& range) {
  const bool open = std::isinf(range.most);
  std::string text = "a number";
  if (range.low == End::kExcluded) {
    text += " above " + digits(range.least);
  } else {
    text += open ? " of " + digits(range.least) + " or more"
                 : " from " + digits(range.least);
  }
  if (!open) {
    text += (range.high == End::kExcluded ? " to below " : " to ") +
            digits(range.most);
  }
  text += open || range.least <= 0 ? " that f32 holds" : "";
  text += range.dynamic ? ", or \"dynamic\"" : "";
  return range.automatic ? text + ", or \"auto\"" : text;
}

// The number that a word stands for, and the word for a number.
std::optional<double> number_of_word(const Setting& setting,
                                     const Real& range) {
  const auto* text = as<std::string>(setting.value);
  return text == nullptr      ? std::nullopt
         : *text == "auto"    ? range.automatic
         : *text == "dynamic" ? range.dynamic
                              : std::nullopt;
}

const char* word_of(double value, const Real& range) {
  return value == range.automatic ? "\"auto\""
         : value == range.dynamic ? "\"dynamic\""
                                  : nullptr;
}

template <typename Items, typename Text>
std::string joined(const Items& items, Text text, const char* between) {
  std::string all;
  for (const auto& item : items) {
    all += all.empty() ? "" : between;
    all += text(item);
  }
  return all;
}

template <typename Items, typename Text>
std::string list_text(const Items& items, Text text) {
  std::string all = "[";
  all += joined(items, text, ", ");
  return all + "]";
}

// The elements of a list as T, if all have that type.
template <typename T>
std::optional<std::vector<T>> list_of(const Setting& setting) {
  const auto* list = as<Setting::List>(setting.value);
  if (list == nullptr) {
    return std::nullopt;
  }
  std::vector<T> items;
  for (const Scalar& scalar : *list) {
    const T* item = as<T>(scalar);
    if (item == nullptr) {
      return std::nullopt;
    }
    items.push_back(*item);
  }
  return items;
}

// The text of a setting. After --set it needs no quotes, even if it looks like
// a number.
std::optional<std::string> text_of(const Setting& setting) {
  if (const auto* text = as<std::string>(setting.value)) {
    return *text;
  }
  if (setting.from == Setting::From::kCommandLine &&
      as<Setting::List>(setting.value) == nullptr) {
    return setting.text;
  }
  return std::nullopt;
}

std::optional<double> number_of(const Setting& setting) {
  if (const auto* whole = as<std::int64_t>(setting.value)) {
    return static_cast<double>(*whole);
  }
  if (const auto* number = as<double>(setting.value)) {
    return *number;
  }
  return std::nullopt;
}

}  // namespace

void Fields::section(std::string name, std::string meaning) {
  sections_.push_back({std::move(name), std::move(meaning)});
}

Field& Fields::add(std::string name, std::string meaning, std::string wanted) {
  Field field;
  field.section = sections_.back().name;
  field.name = std::move(name);
  field.meaning = std::move(meaning);
  field.wanted = std::move(wanted);
  fields_.push_back(std::move(field));
  return fields_.back();
}

void Fields::flag(std::string name, bool& value, std::string meaning) {
  Field& field = add(std::move(name), std::move(meaning), "true or false");
  field.text = [&value] { return value ? "true" : "false"; };
  field.valid = [] { return true; };
  field.set = [&value](const Setting& setting) {
    const bool* flag = as<bool>(setting.value);
    value = flag != nullptr ? *flag : value;
    return flag != nullptr;
  };
}

void Fields::whole(std::string name,
                   std::int64_t& value,
                   std::string meaning,
                   Whole range) {
  Field& field = add(std::move(name), std::move(meaning), describe(range));
  field.text = [&value, range] {
    return value == range.automatic ? "\"auto\"" : digits(value);
  };
  field.valid = [&value, range] {
    return value == range.automatic || within(value, range);
  };
  field.set = [&value, range](const Setting& setting) {
    const auto* text = as<std::string>(setting.value);
    if (range.automatic && text != nullptr && *text == "auto") {
      value = *range.automatic;
      return true;
    }
    const auto* whole = as<std::int64_t>(setting.value);
    const bool good = whole != nullptr && within(*whole, range);
    value = good ? *whole : value;
    return good;
  };
}

void Fields::wholes(std::string name,
                    std::vector<std::int64_t>& value,
                    std::string meaning,
                    Whole range) {
  const auto good = [range](const std::vector<std::int64_t>& items) {
    return std::all_of(items.begin(), items.end(), [&](std::int64_t item) {
      return within(item, range);
    });
  };
  Field& field = add(
      std::move(name), std::move(meaning), "a list, each " + describe(range));
  field.text = [&value] { return list_text(value, digits<std::int64_t>); };
  field.valid = [&value, good] { return good(value); };
  field.set = [&value, good](const Setting& setting) {
    auto items = list_of<std::int64_t>(setting);
    if (!items || !good(*items)) {
      return false;
    }
    value = std::move(*items);
    return true;
  };
}

void Fields::number(std::string name,
                    double& value,
                    std::string meaning,
                    Real range) {
  Field& field = add(std::move(name), std::move(meaning), describe(range));
  field.text = [&value, range] {
    const char* const word = word_of(value, range);
    return word != nullptr ? word : number_text(value);
  };
  field.valid = [&value, range] {
    return word_of(value, range) != nullptr || within(value, range);
  };
  field.set = [&value, range](const Setting& setting) {
    if (const auto named = number_of_word(setting, range)) {
      value = *named;
      return true;
    }
    const auto number = number_of(setting);
    const bool good = number && within(*number, range);
    value = good ? *number : value;
    return good;
  };
}

void Fields::for_all(std::string name,
                     std::vector<std::string> keys,
                     std::string meaning) {
  std::vector<Field> parts;
  for (const std::string& key : keys) {
    parts.push_back(*find(sections_.back().name + "." + key));
    assert(parts.back().wanted == parts.front().wanted);  // all or none take it
  }
  Field field = parts.back();  // its section, valid values, text
  field.name = std::move(name);
  field.meaning = std::move(meaning);
  field.sets = std::move(keys);
  field.set = [parts](const Setting& setting) {
    return std::all_of(parts.begin(), parts.end(), [&](const Field& part) {
      return part.set(setting);
    });
  };
  const auto first =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& other) {
        return other.key() == parts.front().key();
      });
  fields_.insert(first, std::move(field));
}

void Fields::text(std::string name, std::string& value, std::string meaning) {
  Field& field = add(std::move(name), std::move(meaning), "a string");
  field.text = [&value] { return quote(value); };
  field.valid = [] { return true; };
  field.set = [&value](const Setting& setting) {
    const auto text = text_of(setting);
    value = text.value_or(value);
    return text.has_value();
  };
}

void Fields::text_or_wholes(std::string name,
                            std::string& value,
                            std::string meaning) {
  Field& field = add(std::move(name),
                     std::move(meaning),
                     "a string or a list of whole numbers");
  field.text = [&value] { return quote(value); };
  field.valid = [] { return true; };
  field.set = [&value](const Setting& setting) {
    auto text = text_of(setting);
    if (const auto items = list_of<std::int64_t>(setting)) {
      text = joined(*items, digits<std::int64_t>, ",");
    }
    value = text.value_or(value);
    return text.has_value();
  };
}

void Fields::texts(std::string name,
                   std::vector<std::string>& value,
                   std::string meaning) {
  Field& field =
      add(std::move(name), std::move(meaning), "a string or a list of strings");
  field.text = [&value] { return list_text(value, quote); };
  field.valid = [] { return true; };
  field.set = [&value](const Setting& setting) {
    auto items = list_of<std::string>(setting);
    if (const auto text = text_of(setting)) {
      items = {*text};
    }
    if (!items) {
      return false;
    }
    value = std::move(*items);
    return true;
  };
}

void Fields::choose(std::string name, std::string meaning, Chooser chooser) {
  std::string wanted = chooser.names.size() > 1 ? "one of " : "";
  for (const std::string& choice : chooser.names) {
    wanted += (&choice == chooser.names.data() ? "" : ", ") + quote(choice);
  }
  Field& field = add(std::move(name), std::move(meaning), std::move(wanted));
  field.text = [chooser] {
    const std::ptrdiff_t i = chooser.get();
    return i < 0 ? "\"?\"" : quote(chooser.names[i]);
  };
  field.valid = [chooser] { return chooser.get() >= 0; };
  field.set = [chooser](const Setting& setting) {
    const auto text = text_of(setting);
    const auto found =
        text ? std::find(chooser.names.begin(), chooser.names.end(), *text)
             : chooser.names.end();
    if (found == chooser.names.end()) {
      return false;
    }
    chooser.set(static_cast<std::size_t>(found - chooser.names.begin()));
    return true;
  };
}

Field* Fields::find(std::string_view key) {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) {
        return f.key() == key;
      });
  return found == fields_.end() ? nullptr : &*found;
}

std::vector<std::string> Fields::keys() const {
  std::vector<std::string> keys;
  for (const Field& field : fields_) {
    keys.push_back(field.key());
  }
  return keys;
}

}  // namespace dure
