#include "dure/cli/machine_options.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

#include "dure/base/progress.h"
#include "dure/mesh/mesh.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;
using plan::Assumed;

void add_rate(CLI::App& command,
              const char* name,
              std::optional<double>& rate,
              const char* text) {
  command.add_option(name, rate, text)->check(CLI::PositiveNumber);
}

std::string row(const char* what, const std::string& value, const Assumed& of) {
  return fmt::format("  {:<15}{:<14}{}\n", what, value, of.source);
}

std::string rate(const Assumed& assumed, const char* unit) {
  return with_prefix(assumed.value) + unit;
}

ordered_json json_of(const Assumed& assumed) {
  return {{"per_second", assumed.value}, {"source", assumed.source}};
}

}  // namespace

void add_machine_options(CLI::App& command, plan::MachinesWanted& wanted) {
  CLI::Option* device = command.add_option(
      "--device", wanted.device, "A known one, by name (dure plan devices)");
  command
      .add_option_function<std::string>(
          "--products",
          [&wanted](const std::string& name) {
            wanted.products = plan::products_named(name);
          },
          "What its products are taken to be in; else in precision.compute")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16", "fp16"}))
      ->needs(device);
  command
      .add_option(
          "--reach", wanted.reach, "The share of its peaks that is reached")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str()
      ->needs(device);
  add_rate(command,
           "--flops",
           wanted.flops_per_second,
           "A device's, a second [1e12, or of --device]");
  add_rate(command,
           "--memory-rate",
           wanted.memory_bytes_per_second,
           "Bytes a second of a device's memory [1e11, or of --device]");
  command
      .add_option("--node-ranks",
                  wanted.node_ranks,
                  "Ranks of a node [1, or of --device]")
      ->check(CLI::Range(1, mesh::kMostRanks).description("POSITIVE"));
  add_rate(command,
           "--node-link",
           wanted.node_link_bytes_per_second,
           "Bytes a second from one rank to another of its node [1e11, or of "
           "--device]");
  add_rate(command,
           "--link",
           wanted.link_bytes_per_second,
           "Bytes a second from one node to another [2.5e10]");
}

std::string text_of(const plan::AssumedMachines& assumed) {
  return "assumed of the machines\n" +
         row("products", rate(assumed.flops, "FLOP/s"), assumed.flops) +
         row("memory", rate(assumed.memory, "B/s"), assumed.memory) +
         row("within a node",
             rate(assumed.node_link, "B/s"),
             assumed.node_link) +
         row("between nodes", rate(assumed.link, "B/s"), assumed.link) +
         fmt::format("  {:<15}{}\n", "ranks a node", assumed.node_ranks);
}

ordered_json json_of(const plan::AssumedMachines& assumed) {
  return {{"flops", json_of(assumed.flops)},
          {"memory_bytes", json_of(assumed.memory)},
          {"node_link_bytes", json_of(assumed.node_link)},
          {"link_bytes", json_of(assumed.link)},
          {"node_ranks", assumed.node_ranks}};
}

}  // namespace dure::cli
