// Configuration: one visit() per struct names its keys once; reading, --set,
// printing, comparing, checking and the documentation all follow from it.
//
//   void visit(Fields& fields, TrainConfig& config) {
//     fields.section("train", "How long, how much at once, where.");
//     fields.whole("steps", config.steps, "Updates to make.", {.least = 1});
//     fields.choice("device", config.device, "Where to compute.", kDevices);
//   }
//
// A Fields holds pointers into the structs it has visited and must not outlive
// them. Only one thread may use it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/setting.h"

namespace dure {

// The whole numbers that a key takes. `automatic` is what "auto" stands for in
// the struct; a later resolve() replaces it.
struct Whole {
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::optional<std::int64_t> automatic = std::nullopt;
};

enum class End : std::uint8_t { kIncluded, kExcluded };

// The numbers that a key takes. They are used in f32. So a number is refused if
// f32 would make it 0 or infinity, or would lose digits of it below 2^-126, or
// would round it to an excluded end.
struct Real {
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  End low = End::kIncluded;
  End high = End::kIncluded;
  std::optional<double> automatic = std::nullopt;  // "auto", as in Whole
  std::optional<double> dynamic = std::nullopt;    // what "dynamic" stands for
};

// How an enumerator is written.
template <typename Enum>
struct Choice {
  const char* name;
  Enum value;
};

struct Field {
  std::string section;
  std::string name;
  std::string meaning;
  std::string wanted;                  // "a whole number of 1 or more"
  std::string origin = "default";      // or "run.toml:12", "--set", "preset x"
  std::vector<std::string> sets = {};  // names of keys that take its value, too

  // Takes the value. Returns false and changes nothing if the value is not
  // wanted.
  std::function<bool(const Setting&)> set;
  std::function<std::string()> text;  // the value now, as TOML
  std::function<bool()> valid;        // whether the value now is a wanted one

  std::string key() const { return section + "." + name; }
};

class Fields {
 public:
  struct Section {
    std::string name;
    std::string meaning;
  };

  // The keys that follow belong to this section.
  void section(std::string name, std::string meaning);

  void flag(std::string name, bool& value, std::string meaning);
  void whole(std::string name,
             std::int64_t& value,
             std::string meaning,
             Whole range = {});
  void wholes(std::string name,
              std::vector<std::int64_t>& value,
              std::string meaning,
              Whole range = {});
  void number(std::string name,
              double& value,
              std::string meaning,
              Real range = {});
  // One key for several of the section, which are visited before it and take
  // the same values. It is printed and applied before them, so that their own
  // settings win, and it shows the value of the last.
  void for_all(std::string name,
               std::vector<std::string> keys,
               std::string meaning);
  void text(std::string name, std::string& value, std::string meaning);
  // A text that may be a list of whole numbers: [4, 3] is read as "4,3".
  void text_or_wholes(std::string name,
                      std::string& value,
                      std::string meaning);
  // A list; one string alone is a list of one.
  void texts(std::string name,
             std::vector<std::string>& value,
             std::string meaning);

  template <typename Enum>
  void choice(std::string name,
              Enum& value,
              std::string meaning,
              std::span<const Choice<Enum>> choices);
  template <typename Enum, std::size_t kCount>
  void choice(std::string name,
              Enum& value,
              std::string meaning,
              const Choice<Enum> (&choices)[kCount]) {
    choice(std::move(name),
           value,
           std::move(meaning),
           std::span<const Choice<Enum>>(choices));
  }

  const std::vector<Section>& sections() const { return sections_; }
  const std::vector<Field>& all() const { return fields_; }
  Field* find(std::string_view key);
  std::vector<std::string> keys() const;

 private:
  // Any enum, as the index of its name; -1 if it has none.
  struct Chooser {
    std::vector<std::string> names;
    std::function<std::ptrdiff_t()> get;
    std::function<void(std::size_t)> set;
  };

  Field& add(std::string name, std::string meaning, std::string wanted);
  void choose(std::string name, std::string meaning, Chooser chooser);

  std::vector<Section> sections_;
  std::vector<Field> fields_;
};

// Where each key's value came from.
using Origins = std::map<std::string, std::string>;

// Takes every setting. The command line wins over a file, a later setting over
// an earlier one, and a key's own setting over that of its for_all(). Throws
// UsageError for an unknown key, naming the nearest, and for a value that is
// not wanted.
void apply_settings(Fields& fields, std::span<const Setting> settings);

// Throws UsageError where a value is out of its range, however it got there.
void check(const Fields& fields);

// TOML that reads back to the same values; each line says what its key means,
// what it may be, and where the value came from.
std::string to_toml(const Fields& fields);

// "key: value in a, value in b" for each key that differs. Both must have
// visited the same structs.
std::vector<std::string> differences(const Fields& a, const Fields& b);

// A table for each section: key, default, what it may be, meaning.
std::string to_markdown(const Fields& fields);

Origins origins(const Fields& fields);
void set_origins(Fields& fields, const Origins& origins);

template <typename Enum>
void Fields::choice(std::string name,
                    Enum& value,
                    std::string meaning,
                    std::span<const Choice<Enum>> choices) {
  Chooser chooser;
  std::vector<Enum> values;
  for (const Choice<Enum>& choice : choices) {
    chooser.names.emplace_back(choice.name);
    values.push_back(choice.value);
  }
  chooser.get = [&value, values]() -> std::ptrdiff_t {
    const auto found = std::find(values.begin(), values.end(), value);
    return found == values.end() ? -1 : found - values.begin();
  };
  chooser.set = [&value, values](std::size_t i) { value = values[i]; };
  choose(std::move(name), std::move(meaning), std::move(chooser));
}

}  // namespace dure
