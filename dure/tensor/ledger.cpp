#include "dure/tensor/ledger.h"

#include <algorithm>
#include <cassert>
#include <iomanip>
#include <sstream>

namespace dure {

void Ledger::add(Category category, std::size_t bytes) {
  const auto c = static_cast<std::size_t>(category);
  current_[c] += bytes;
  total_ += bytes;
  peak_[c] = std::max(peak_[c], current_[c]);
  peak_total_ = std::max(peak_total_, total_);
  ++allocations_;
}

void Ledger::subtract(Category category, std::size_t bytes) {
  const auto c = static_cast<std::size_t>(category);
  assert(current_[c] >= bytes);
  current_[c] -= bytes;
  total_ -= bytes;
}

std::string to_string(const Ledger& ledger) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(3);
  for (std::size_t c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    text << (c > 0 ? ", " : "") << name_of(category) << " "
         << static_cast<double>(ledger.current(category)) / (1 << 30) << " GiB";
  }
  return text.str();
}

}  // namespace dure
