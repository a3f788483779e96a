// Every byte of tensor memory, by tier and by category.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dure {

// Where bytes are: on the computing device, on its host, on disk.
enum class Tier : std::uint8_t { kDevice, kHost, kDisk };
inline constexpr std::size_t kTiers = 3;

enum class Category : std::uint8_t {
  kParameters,
  kGradients,
  kOptimizer,
  kActivations,
  kCommunication,
  kWorkspace,
};
inline constexpr std::size_t kCategories = 6;

constexpr const char* name_of(Category category) {
  constexpr const char* kNames[] = {"parameters",
                                    "gradients",
                                    "optimizer",
                                    "activations",
                                    "communication",
                                    "workspace"};
  return kNames[static_cast<int>(category)];
}

using BytesByCategory = std::array<std::size_t, kCategories>;

// Functions without a tier mean the device's.
class Ledger {
 public:
  void add(Category category, std::size_t bytes, Tier tier = Tier::kDevice);
  void subtract(Category category,
                std::size_t bytes,
                Tier tier = Tier::kDevice);

  std::size_t current(Category category, Tier tier = Tier::kDevice) const {
    return of(tier).current[static_cast<std::size_t>(category)];
  }
  // The most of this category at any one time.
  std::size_t peak(Category category, Tier tier = Tier::kDevice) const {
    return of(tier).peak[static_cast<std::size_t>(category)];
  }
  // The most of all categories together at any one time; at most the sum of
  // their peaks.
  std::size_t peak(Tier tier = Tier::kDevice) const {
    return of(tier).peak_total;
  }
  std::size_t current(Tier tier = Tier::kDevice) const {
    return of(tier).total;
  }

  // How often memory was asked for: a steady step's count repeats.
  std::uint64_t allocations() const { return allocations_; }

 private:
  struct Account {
    BytesByCategory current{};
    BytesByCategory peak{};
    std::size_t total = 0;
    std::size_t peak_total = 0;
  };

  const Account& of(Tier tier) const {
    return accounts_[static_cast<std::size_t>(tier)];
  }
  Account& of(Tier tier) { return accounts_[static_cast<std::size_t>(tier)]; }

  std::array<Account, kTiers> accounts_;
  std::uint64_t allocations_ = 0;
};

// "parameters 0.46 GiB, gradients 0.46 GiB, ..." of what a tier holds now.
std::string to_string(const Ledger& ledger, Tier tier = Tier::kDevice);

}  // namespace dure
