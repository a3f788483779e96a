// A rank's traffic, as people and programs read it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dure/comm/traffic.h"

namespace dure::comm {

// A row for each axis and kind with calls: "| tensor | all_reduce | 24 | ...".
std::string to_table(const Traffic& traffic);

// A list of objects with axis, collective, calls and bytes.
void to_json(nlohmann::ordered_json& json, const Traffic& traffic);

}  // namespace dure::comm
