// The lines of `dure doctor` about CUDA.
#include <fmt/format.h>
#include <map>
#include <sstream>
#include <string_view>

#include "dure/cli/doctor_facts.h"

#ifdef DURE_WITH_CUDA
#include "dure/tensor/cuda/devices.h"
#endif

namespace dure::cli {
#ifdef DURE_WITH_CUDA
namespace {

using nlohmann::ordered_json;
using Lines = std::vector<std::string>;

#ifdef DURE_CUDA_EMULATED
constexpr const char* kEmulated = ", emulated on the CPU";
#else
constexpr const char* kEmulated = "";
#endif

std::string lines_text(const Lines& lines) {
  return lines.empty() ? "none" : fmt::format("{}", fmt::join(lines, "\n"));
}

void add_libraries(const CudaMachine& machine, Facts& facts) {
  ordered_json versions = ordered_json::object();
  Lines texts;
  const auto add = [&](const char* name, const std::string& version) {
    versions[name] = version.empty() ? ordered_json() : ordered_json(version);
    texts.push_back(
        fmt::format("{} {}", name, version.empty() ? "none" : version));
  };
  add("cublaslt", machine.cublaslt);
  add("cudnn", DURE_CUDNN_VERSION);
  add("nccl", DURE_NCCL_VERSION);
  facts.push_back(
      {"cuda_libraries", versions, fmt::format("{}", fmt::join(texts, ", "))});
}

std::string device_text(std::size_t number, const CudaDevice& device) {
  if (!device.error.empty()) {
    return fmt::format("{}: {}", number, device.error);
  }
  return fmt::format(
      "{}: {}, compute capability {}.{}, {} multiprocessors, {}, {} free, "
      "PCI {}",
      number,
      device.name,
      device.major,
      device.minor,
      device.multiprocessors,
      size_text(device.bytes),
      size_text(device.free_bytes),
      device.pci_bus);
}

ordered_json device_json(std::size_t number, const CudaDevice& device) {
  if (!device.error.empty()) {
    return {{"number", number}, {"error", device.error}};
  }
  return {
      {"number", number},
      {"name", device.name},
      {"compute_capability", fmt::format("{}.{}", device.major, device.minor)},
      {"multiprocessors", device.multiprocessors},
      {"bytes", device.bytes},
      {"free_bytes", device.free_bytes},
      {"pci_bus", device.pci_bus}};
}

void add_devices(const CudaMachine& machine, Facts& facts) {
  ordered_json values = ordered_json::array();
  Lines texts;
  for (std::size_t i = 0; i < machine.devices.size(); ++i) {
    values.push_back(device_json(i, machine.devices[i]));
    texts.push_back(device_text(i, machine.devices[i]));
  }
  const std::string text =
      machine.missing.empty() ? lines_text(texts) : "none: " + machine.missing;
  facts.push_back({"cuda_devices", values, text});
}

std::string reach_text(const CudaPair& pair) {
  return !pair.has_access ? "through the host's memory"
                          : fmt::format("direct, {}, link of rank {}",
                                        pair.has_atomics ? "with atomics"
                                                         : "without atomics",
                                        pair.performance_rank);
}

// A line for all pairs that reach one another alike.
void add_pairs(const CudaMachine& machine, Facts& facts) {
  ordered_json values = ordered_json::array();
  std::map<std::string, Lines> alike;
  for (const CudaPair& pair : machine.pairs) {
    values.push_back({{"from", pair.from},
                      {"to", pair.to},
                      {"access", pair.has_access},
                      {"atomics", pair.has_atomics},
                      {"performance_rank", pair.performance_rank}});
    alike[reach_text(pair)].push_back(fmt::format("{}>{}", pair.from, pair.to));
  }
  Lines texts;
  for (const auto& [reach, pairs] : alike) {
    texts.push_back(fmt::format("{}: {}", fmt::join(pairs, " "), reach));
  }
  facts.push_back({"cuda_pairs", values, lines_text(texts)});
}

// The line without the escape sequences that underline its words.
std::string plain(std::string_view line) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      i = line.find('m', i);
      if (i == std::string_view::npos) {
        break;
      }
    } else {
      text += line[i];
    }
  }
  return text;
}

// The matrix, which ends with an empty line; its legend is left out.
void add_links(const std::string& links, Facts& facts) {
  Lines lines;
  std::istringstream all(links);
  for (std::string line; std::getline(all, line);) {
    line = plain(line);
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      break;
    }
    lines.push_back(line);
  }
  facts.push_back({"cuda_links", lines, lines_text(lines)});
}

}  // namespace

void add_cuda(const std::string& links, Facts& facts) {
  const CudaMachine machine = this_cuda_machine();
  facts.push_back({"cuda", machine.runtime + kEmulated});
  facts.push_back({"cuda_driver",
                   machine.driver.empty() ? "none" : "CUDA " + machine.driver});
  add_libraries(machine, facts);
  add_devices(machine, facts);
  add_pairs(machine, facts);
  add_links(links, facts);
}

#else

void add_cuda(const std::string& /*links*/, Facts& facts) {
  facts.push_back(
      {"cuda", "none: this dure was built without CUDA (DURE_WITH_CUDA)"});
}

#endif
}  // namespace dure::cli
