// Every byte of tensor memory, by what it is for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dure {

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

class Ledger {
 public:
  void add(Category category, std::size_t bytes);
  void subtract(Category category, std::size_t bytes);

  std::size_t current(Category category) const {
    return current_[static_cast<std::size_t>(category)];
  }
  // The most of this category at any one time.
  std::size_t peak(Category category) const {
    return peak_[static_cast<std::size_t>(category)];
  }
  // The most of all together at any one time; at most the sum of the peaks.
  std::size_t peak() const { return peak_total_; }
  std::size_t current() const { return total_; }

  // How often memory was asked for: a steady step's count repeats.
  std::uint64_t allocations() const { return allocations_; }

 private:
  BytesByCategory current_{};
  BytesByCategory peak_{};
  std::size_t total_ = 0;
  std::size_t peak_total_ = 0;
  std::uint64_t allocations_ = 0;
};

// "parameters 0.46 GiB, gradients 0.46 GiB, ..." of what is held now.
std::string to_string(const Ledger& ledger);

}  // namespace dure
