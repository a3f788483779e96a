#include "dure/plan/devices.h"

#include <array>
#include <fmt/core.h>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/nearest.h"

namespace dure::plan {
namespace {

// If a maker gives a rate only for sparse matrices, it is halved here, and so
// is the sum of both ways of a link. fp32 is that of the vector units.
// clang-format off
constexpr std::array<KnownDevice, 15> kDevices = {{
    {"v100-sxm2-16g", {.fp32 = 15.7e12, .fp16 = 125e12},
     16e9, 900e9, 150e9, "NVLink 2", 8,
     "NVIDIA V100 datasheet, January 2020"},
    {"v100-sxm2-32g", {.fp32 = 15.7e12, .fp16 = 125e12},
     32e9, 900e9, 150e9, "NVLink 2", 8,
     "NVIDIA V100 datasheet, January 2020"},
    {"a100-40g-sxm", {.fp32 = 19.5e12, .tf32 = 156e12, .bf16 = 312e12, .fp16 = 312e12},
     40e9, 1555e9, 300e9, "NVLink 3", 8,
     "NVIDIA A100 architecture whitepaper, 2020"},
    {"a100-80g-sxm", {.fp32 = 19.5e12, .tf32 = 156e12, .bf16 = 312e12, .fp16 = 312e12},
     80e9, 2039e9, 300e9, "NVLink 3", 8,
     "NVIDIA A100 80GB datasheet, June 2021"},
    {"a100-80g-pcie", {.fp32 = 19.5e12, .tf32 = 156e12, .bf16 = 312e12, .fp16 = 312e12},
     80e9, 1935e9, 32e9, "PCIe 4 x16", 8,
     "NVIDIA A100 80GB datasheet, June 2021"},
    {"h100-sxm", {.fp32 = 67e12, .tf32 = 494.5e12, .bf16 = 989.5e12, .fp16 = 989.5e12},
     80e9, 3350e9, 450e9, "NVLink 4", 8,
     "NVIDIA H100 datasheet, 2023"},
    {"h100-pcie", {.fp32 = 51e12, .tf32 = 378e12, .bf16 = 756.5e12, .fp16 = 756.5e12},
     80e9, 2000e9, 64e9, "PCIe 5 x16", 8,
     "NVIDIA H100 datasheet, 2022"},
    {"h200-sxm", {.fp32 = 67e12, .tf32 = 494.5e12, .bf16 = 989.5e12, .fp16 = 989.5e12},
     141e9, 4800e9, 450e9, "NVLink 4", 8,
     "NVIDIA H200 datasheet, 2024"},
    {"b200", {.fp32 = 75e12, .tf32 = 1125e12, .bf16 = 2250e12, .fp16 = 2250e12},
     180e9, 8000e9, 900e9, "NVLink 5", 8,
     "NVIDIA HGX B200 and DGX B200 datasheets, 2024"},
    {"l40s", {.fp32 = 91.6e12, .tf32 = 183e12, .bf16 = 362.05e12, .fp16 = 362.05e12},
     48e9, 864e9, 32e9, "PCIe 4 x16", 8,
     "NVIDIA L40S datasheet, 2023"},
    {"a10", {.fp32 = 31.2e12, .tf32 = 62.5e12, .bf16 = 125e12, .fp16 = 125e12},
     24e9, 600e9, 32e9, "PCIe 4 x16", 8,
     "NVIDIA A10 datasheet, 2021"},
    {"rtx-3090", {.fp32 = 35.6e12, .tf32 = 35.6e12, .bf16 = 71e12, .fp16 = 71e12},
     24e9, 936e9, 32e9, "PCIe 4 x16", 2,
     "NVIDIA Ampere GA102 whitepaper, 2020"},
    {"rtx-4090", {.fp32 = 82.6e12, .tf32 = 82.6e12, .bf16 = 165.2e12, .fp16 = 165.2e12},
     24e9, 1008e9, 32e9, "PCIe 4 x16", 2,
     "NVIDIA Ada whitepaper, 2022"},
    {"mi300x", {.fp32 = 163.4e12, .tf32 = 653.7e12, .bf16 = 1307.4e12, .fp16 = 1307.4e12},
     192e9, 5300e9, 64e9, "Infinity Fabric, one of seven", 8,
     "AMD Instinct MI300X datasheet, 2023"},
    {"mi325x", {.fp32 = 163.4e12, .tf32 = 653.7e12, .bf16 = 1307.4e12, .fp16 = 1307.4e12},
     256e9, 6000e9, 64e9, "Infinity Fabric, one of seven", 8,
     "AMD Instinct MI325X datasheet, 2024"},
}};
// clang-format on

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const KnownDevice& device : kDevices) {
    all.emplace_back(device.name);
  }
  return all;
}

// The names that begin with `name`, or else the nearest.
std::string suggestion_for(std::string_view name) {
  std::string alike;
  for (const KnownDevice& device : kDevices) {
    if (!name.empty() && std::string_view(device.name).starts_with(name)) {
      alike += alike.empty() ? "" : " or ";
      alike += device.name;
    }
  }
  return alike.empty() ? suggestion(name, names())
                       : fmt::format("; did you mean {}?", alike);
}

}  // namespace

const char* name_of(Products products) {
  constexpr std::array<const char*, kProducts> kNames = {
      "fp32", "tf32", "bf16", "fp16"};
  return kNames[static_cast<std::size_t>(products)];
}

Products products_named(std::string_view name) {
  for (int p = 0; p < kProducts; ++p) {
    if (name == name_of(static_cast<Products>(p))) {
      return static_cast<Products>(p);
    }
  }
  throw UsageError("wanted products in fp32, tf32, bf16 or fp16, got {}", name);
}

double PeakFlops::of(Products products) const {
  switch (products) {
    case Products::kFp32:
      return fp32;
    case Products::kTf32:
      return tf32;
    case Products::kBf16:
      return bf16;
    case Products::kFp16:
      return fp16;
  }
  return 0;
}

std::span<const KnownDevice> known_devices() {
  return kDevices;
}

const KnownDevice& device_named(std::string_view name) {
  for (const KnownDevice& device : kDevices) {
    if (device.name == name) {
      return device;
    }
  }
  throw UsageError(
      "--device knows no \"{}\" (of others, give --flops, "
      "--memory-rate and --node-link){}",
      name,
      suggestion_for(name));
}

}  // namespace dure::plan
