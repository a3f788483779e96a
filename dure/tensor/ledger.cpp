#include "dure/tensor/ledger.h"

#include <algorithm>
#include <cassert>
#include <iomanip>
#include <sstream>

namespace dure {

void Ledger::add(Category category, std::size_t bytes, Tier tier) {
  const auto c = static_cast<std::size_t>(category);
  Account& account = of(tier);
  account.current[c] += bytes;
  account.total += bytes;
  account.peak[c] = std::max(account.peak[c], account.current[c]);
  account.peak_total = std::max(account.peak_total, account.total);
  ++allocations_;
}

void Ledger::subtract(Category category, std::size_t bytes, Tier tier) {
  const auto c = static_cast<std::size_t>(category);
  Account& account = of(tier);
  assert(account.current[c] >= bytes);
  account.current[c] -= bytes;
  account.total -= bytes;
}

std::string to_string(const Ledger& ledger, Tier tier) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(3);
  for (std::size_t c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    text << (c > 0 ? ", " : "") << name_of(category) << " "
         << static_cast<double>(ledger.current(category, tier)) / (1 << 30)
         << " GiB";
  }
  return text.str();
}

}  // namespace dure
