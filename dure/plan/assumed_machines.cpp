#include "dure/plan/assumed_machines.h"

#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/progress.h"

namespace dure::plan {
namespace {

constexpr const char* kDefault = "the default, of no particular machine";

Products products_of(DType tensors) {
  return tensors == DType::kBf16  ? Products::kBf16
         : tensors == DType::kF16 ? Products::kFp16
                                  : Products::kFp32;
}

// Products may be assumed that the tensors' type does not give.
std::string text_of(Products products, DType tensors) {
  const Products own = products_of(tensors);
  const bool is_apart = products != own && !(products == Products::kTf32 &&
                                             own == Products::kFp32);
  return fmt::format(
      "{}{}",
      name_of(products),
      is_apart ? fmt::format(", tensors are {}", name_of(own)) : "");
}

double peak_flops(const KnownDevice& device, Products products) {
  const double peak = device.flops.of(products);
  if (peak > 0) {
    return peak;
  }
  std::string has;
  for (int p = 0; p < kProducts; ++p) {
    const auto other = static_cast<Products>(p);
    if (device.flops.of(other) > 0) {
      has += has.empty() ? "" : ", ";
      has += name_of(other);
    }
  }
  throw UsageError("{} has no products in {}; it has {}",
                   device.name,
                   name_of(products),
                   has);
}

// A rate that is given, else a share of a device's peak, else the default.
class Source {
 public:
  explicit Source(const MachinesWanted& wanted)
      : wanted_(wanted),
        device_(wanted.device.empty() ? nullptr
                                      : &device_named(wanted.device)) {}

  const KnownDevice* device() const { return device_; }

  Assumed of(const std::optional<double>& given,
             double peak,
             const std::string& unit,
             double otherwise) const {
    if (given) {
      return {.value = *given, .source = "given"};
    }
    if (device_ == nullptr) {
      return {.value = otherwise, .source = kDefault};
    }
    return {.value = wanted_.reach * peak,
            .source = fmt::format("{:g} of {}'s {}{}",
                                  wanted_.reach,
                                  device_->name,
                                  with_prefix(peak),
                                  unit)};
  }

 private:
  const MachinesWanted& wanted_;
  const KnownDevice* device_;
};

}  // namespace

Machines AssumedMachines::machines() const {
  Machines result;
  result.rates = {.flops_per_second = flops.value,
                  .bytes_per_second = memory.value};
  result.network.ranks_per_node = node_ranks;
  result.network.inside.bytes_per_second = node_link.value;
  result.network.between.bytes_per_second = link.value;
  return result;
}

AssumedMachines assume_machines(const MachinesWanted& wanted, DType tensors) {
  const Source source(wanted);
  const Products products = wanted.products.value_or(products_of(tensors));
  const KnownDevice none;
  const bool known = source.device() != nullptr;
  const KnownDevice& device = known ? *source.device() : none;
  const Machines defaults;
  const comm::SimNetwork& network = defaults.network;
  // A given rate needs no peak.
  const double peak =
      known && !wanted.flops_per_second ? peak_flops(device, products) : 0;
  const int usual = known ? device.node_devices : network.ranks_per_node;
  return {.flops =
              source.of(wanted.flops_per_second,
                        peak,
                        fmt::format("FLOP/s in {}", text_of(products, tensors)),
                        defaults.rates.flops_per_second),
          .memory = source.of(wanted.memory_bytes_per_second,
                              device.memory_bytes_per_second,
                              "B/s",
                              defaults.rates.bytes_per_second),
          .node_link = source.of(wanted.node_link_bytes_per_second,
                                 device.link_bytes_per_second,
                                 fmt::format("B/s one way ({})", device.link),
                                 network.inside.bytes_per_second),
          .link = {.value = wanted.link_bytes_per_second.value_or(
                       network.between.bytes_per_second),
                   .source = wanted.link_bytes_per_second ? "given" : kDefault},
          .node_ranks = wanted.node_ranks.value_or(usual)};
}

}  // namespace dure::plan
