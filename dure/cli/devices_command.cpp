// `dure plan devices`: the devices that --device knows.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/plan/devices.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;
using plan::KnownDevice;

ordered_json json_of(const KnownDevice& device) {
  ordered_json flops = ordered_json::object();
  for (int p = 0; p < plan::kProducts; ++p) {
    const auto products = static_cast<plan::Products>(p);
    if (device.flops.of(products) > 0) {
      flops[name_of(products)] = device.flops.of(products);
    }
  }
  return {{"name", device.name},
          {"flops_per_second", flops},
          {"memory_bytes", device.memory_bytes},
          {"memory_bytes_per_second", device.memory_bytes_per_second},
          {"link_bytes_per_second", device.link_bytes_per_second},
          {"link", device.link},
          {"node_devices", device.node_devices},
          {"source", device.source}};
}

std::string tera(double flops) {
  return flops > 0 ? fmt::format("{:.6g}", flops / 1e12) : "-";
}

void print_table() {
  fmt::print("{:<14}{:>7}{:>8}{:>8}{:>8}{:>6}{:>8}{:>8}  {}\n",
             "device",
             "fp32",
             "tf32",
             "bf16",
             "fp16",
             "GB",
             "GB/s",
             "link",
             "source");
  for (const KnownDevice& device : plan::known_devices()) {
    fmt::print("{:<14}{:>7}{:>8}{:>8}{:>8}{:>6.0f}{:>8.0f}{:>8.0f}  {}\n",
               device.name,
               tera(device.flops.fp32),
               tera(device.flops.tf32),
               tera(device.flops.bf16),
               tera(device.flops.fp16),
               device.memory_bytes / 1e9,
               device.memory_bytes_per_second / 1e9,
               device.link_bytes_per_second / 1e9,
               device.source);
  }
  fmt::print(
      "\nTFLOP/s with dense matrices; link: GB/s to a device of its node, one "
      "way\n");
}

void print_json() {
  ordered_json all = ordered_json::array();
  for (const KnownDevice& device : plan::known_devices()) {
    all.push_back(json_of(device));
  }
  put_json(all);
}

}  // namespace

void add_plan_devices(CLI::App& plan) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = plan.add_subcommand(
      "devices", "The devices that plan layout knows, and their rates");
  command->add_flag("--json", *json, "Print the facts as JSON");
  command->footer(
      "Peaks, as the makers publish them: what a run reaches is less.\n"
      "\n"
      "--json prints a list of name, flops_per_second (by type, of those\n"
      "that the device has), memory_bytes, memory_bytes_per_second,\n"
      "link_bytes_per_second, link (what it is), node_devices and source.\n"
      "\n"
      "Example:\n"
      "  dure plan devices");
  command->callback([json] {
    if (*json) {
      print_json();
    } else {
      print_table();
    }
  });
}

}  // namespace dure::cli
