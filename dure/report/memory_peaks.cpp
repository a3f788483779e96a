#include "dure/report/memory_peaks.h"

#include <cstdint>
#include <fmt/core.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "dure/base/check.h"

namespace dure::report {
namespace {

using nlohmann::json;

std::size_t whole(const json& object,
                  const char* key,
                  const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) {
    throw Error("{}: wanted a whole number \"{}\"", where, key);
  }
  return found->get<std::size_t>();
}

const json& object_of(const json& value, const std::string& where) {
  if (!value.is_object()) {
    throw Error("{}: wanted an object, found {}", where, value.type_name());
  }
  return value;
}

RankMemory memory_of(const json& value, const std::string& where) {
  const json& object = object_of(value, where);
  const std::size_t rank = whole(object, "rank", where);
  if (rank > std::numeric_limits<int>::max()) {
    throw Error("{}: there is no rank {}", where, rank);
  }
  RankMemory memory = {.rank = static_cast<int>(rank),
                       .peak_total = whole(object, "peak_total", where)};
  const std::string inside = where + ".peak_bytes";
  const json found = object.value("peak_bytes", json());
  const json& peaks = object_of(found, inside);
  for (std::size_t c = 0; c < kCategories; ++c) {
    memory.peak[c] = whole(peaks, name_of(static_cast<Category>(c)), inside);
  }
  return memory;
}

}  // namespace

std::vector<RankMemory> read_memory(std::string_view text,
                                    const std::string& source) {
  json list;
  try {
    list = json::parse(text);
  } catch (const json::exception& error) {
    throw Error("{}: not JSON: {}", source, error.what());
  }
  if (!list.is_array()) {
    throw Error("{}: wanted a list, found {}", source, list.type_name());
  }
  std::vector<RankMemory> memory;
  for (std::size_t i = 0; i < list.size(); ++i) {
    memory.push_back(memory_of(list[i], fmt::format("{}: [{}]", source, i)));
  }
  return memory;
}

}  // namespace dure::report
