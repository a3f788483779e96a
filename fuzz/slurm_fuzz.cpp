// Bytes as Slurm's list of nodes, or after a '#' its tasks per node, or after a
// '!' an order of the axes: they give an Error, or names and numbers within
// their bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dure/base/check.h"
#include "dure/launch/slurm.h"

namespace {

using dure::mesh::kMostRanks;

void expect(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void check_nodes(std::string_view text) {
  const auto nodes = dure::mesh::parse_node_list(text);
  expect(!nodes.empty() && nodes.size() <= kMostRanks);
  for (const std::string& node : nodes) {
    expect(!node.empty() && node.find_first_of(",[]") == std::string::npos);
  }
}

void check_tasks(std::string_view text) {
  const auto counts = dure::mesh::parse_tasks_per_node(text);
  expect(!counts.empty() && counts.size() <= kMostRanks);
  expect(*std::min_element(counts.begin(), counts.end()) >= 0);
}

void check_order(std::string_view text) {
  const auto order = dure::mesh::parse_order(text);
  expect(dure::mesh::parse_order(dure::mesh::text_of(order)) == order);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    if (text.starts_with('#')) {
      check_tasks(text.substr(1));
    } else if (text.starts_with('!')) {
      check_order(text.substr(1));
    } else {
      check_nodes(text);
    }
  } catch (const dure::Error&) {
  }
  return 0;
}
