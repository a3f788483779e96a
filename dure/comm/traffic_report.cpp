#include "dure/comm/traffic_report.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace dure::comm {
namespace {

// Calls `use(axis, name of the kind, count)` for every non-zero count.
template <typename Use>
void for_each_row(const Traffic& traffic, const Use& use) {
  for (const auto& [axis, counts] : traffic.by_axis()) {
    for (int kind = 0; kind < kKinds; ++kind) {
      const Traffic::Count& count = counts[kind];
      if (count.calls > 0) {
        use(axis, name_of(static_cast<Kind>(kind)), count);
      }
    }
  }
}

}  // namespace

std::string to_table(const Traffic& traffic) {
  std::string text =
      "| axis | collective | calls | bytes |\n| --- | --- | --- | --- |\n";
  for_each_row(
      traffic,
      [&](const std::string& axis,
          const char* kind,
          const Traffic::Count& count) {
        text += fmt::format(
            "| {} | {} | {} | {} |\n", axis, kind, count.calls, count.bytes);
      });
  return text;
}

void to_json(nlohmann::ordered_json& json, const Traffic& traffic) {
  json = nlohmann::ordered_json::array();
  for_each_row(traffic,
               [&](const std::string& axis,
                   const char* kind,
                   const Traffic::Count& count) {
                 json.push_back({{"axis", axis},
                                 {"collective", kind},
                                 {"calls", count.calls},
                                 {"bytes", count.bytes}});
               });
}

}  // namespace dure::comm
