// The options of commands that predict time: the rates of their machines.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dure/plan/assumed_machines.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

// Adds --device, --products, --reach and the rates. `wanted` must outlive the
// application.
void add_machine_options(CLI::App& command, plan::MachinesWanted& wanted);

// Every rate, and its source.
std::string text_of(const plan::AssumedMachines& assumed);
nlohmann::ordered_json json_of(const plan::AssumedMachines& assumed);

}  // namespace dure::cli
