// Devices by name, with the peak rates that their makers state.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dure::plan {

// The types in which matrix products are computed.
enum class Products : std::uint8_t { kFp32, kTf32, kBf16, kFp16 };
inline constexpr int kProducts = 4;
const char* name_of(Products products);
Products products_named(std::string_view name);

// FLOP/s with dense matrices and sums in f32; 0 if the device lacks the type.
struct PeakFlops {
  double fp32 = 0;
  double tf32 = 0;
  double bf16 = 0;
  double fp16 = 0;

  double of(Products products) const;
};

struct KnownDevice {
  const char* name = "";
  PeakFlops flops = {};
  double memory_bytes = 0;             // GB of 10^9 bytes
  double memory_bytes_per_second = 0;  // of that memory
  double link_bytes_per_second = 0;    // to a device of its node, one way
  const char* link = "";               // its name
  int node_devices = 8;                // in a usual node
  const char* source = "";             // the maker's page, and its date
};

std::span<const KnownDevice> known_devices();

// Throws UsageError for an unknown name, naming the nearest ones.
const KnownDevice& device_named(std::string_view name);

}  // namespace dure::plan
