// Devices by name, and what their makers say that they can do at best.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dure::plan {

// What matrix products are computed in.
enum class Products : std::uint8_t { kFp32, kTf32, kBf16, kFp16 };
inline constexpr int kProducts = 4;
const char* name_of(Products products);
Products products_named(std::string_view name);

// FLOP/s with dense matrices, sums in f32; 0 where the device has no such.
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
  const char* link = "";               // what that is
  int node_devices = 8;                // of a usual node
  const char* source = "";             // the maker's page, and its date
};

std::span<const KnownDevice> known_devices();

// Throws UsageError for an unknown name, naming those it may have meant.
const KnownDevice& device_named(std::string_view name);

}  // namespace dure::plan
