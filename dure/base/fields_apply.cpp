// Operations on Fields: applying settings, checking and comparing values.
#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/nearest.h"
#include "dure/base/quote.h"

namespace dure {
namespace {

// A key of the right name in another section is nearer than any misspelling.
std::string nearest_key(const Fields& fields, const std::string& key) {
  const std::string name = key.substr(key.find('.') + 1);
  for (const Field& field : fields.all()) {
    if (field.name == name) {
      return field.key();
    }
  }
  return nearest(key, fields.keys());
}

[[noreturn]] void unknown(const Fields& fields, const Setting& setting) {
  for (const Fields::Section& section : fields.sections()) {
    if (section.name == setting.key) {
      throw UsageError("{}: {} is a section, written [{}], got {}",
                       setting.where,
                       setting.key,
                       setting.key,
                       setting.text);
    }
  }
  const std::string meant = nearest_key(fields, setting.key);
  throw UsageError("{}: unknown key {}{}",
                   setting.where,
                   shown_name(setting.key),
                   meant.empty() ? "; --print-config shows all there are"
                                 : "; did you mean " + meant + "?");
}

struct Assignment {
  Field* field;
  const Setting* setting;
};

// The assignments, in the order in which they are made.
std::vector<Assignment> assignments(Fields& fields,
                                    std::span<const Setting> settings) {
  std::vector<Assignment> result;
  for (const Setting& setting : settings) {
    Field* field = fields.find(setting.key);
    if (field == nullptr) {
      unknown(fields, setting);
    }
    result.push_back({field, &setting});
  }
  const auto rank = [](const Assignment& a) {
    return std::pair(a.setting->from, a.field->sets.empty());
  };
  std::stable_sort(result.begin(),
                   result.end(),
                   [&](const Assignment& a, const Assignment& b) {
                     return rank(a) < rank(b);
                   });
  return result;
}

}  // namespace

void apply_settings(Fields& fields, std::span<const Setting> settings) {
  for (const auto& [field, setting] : assignments(fields, settings)) {
    if (!field->set(*setting)) {
      throw UsageError("{}: {}: wanted {}, got {}",
                       setting->where,
                       setting->key,
                       field->wanted,
                       setting->text);
    }
    field->origin = setting->where;
    for (const std::string& name : field->sets) {
      fields.find(field->section + "." + name)->origin = setting->where;
    }
  }
}

void check(const Fields& fields) {
  for (const Field& field : fields.all()) {
    if (!field.valid()) {
      throw UsageError(
          "{}: wanted {}, got {}", field.key(), field.wanted, field.text());
    }
  }
}

std::vector<std::string> differences(const Fields& a, const Fields& b) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < a.all().size(); ++i) {
    const std::string here = a.all()[i].text();
    const std::string there = b.all()[i].text();
    if (here != there) {
      lines.push_back(fmt::format("{}: {}, {}", a.all()[i].key(), here, there));
    }
  }
  return lines;
}

Origins origins(const Fields& fields) {
  Origins result;
  for (const Field& field : fields.all()) {
    result[field.key()] = field.origin;
  }
  return result;
}

void set_origins(Fields& fields, const Origins& origins) {
  for (const auto& [key, origin] : origins) {
    if (Field* field = fields.find(key)) {
      field->origin = origin;
    }
  }
}

}  // namespace dure
