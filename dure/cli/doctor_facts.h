// The lines of `dure doctor`.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace dure::cli {

// A line of the table: its value in JSON, and as text if that differs. A text
// of several lines is printed with all of them in the second column.
struct Fact {
  std::string name;
  nlohmann::ordered_json value;
  std::string text = {};
};
using Facts = std::vector<Fact>;

// "35.75 MiB".
std::string size_text(std::uint64_t bytes);

// The value as the table shows it.
std::string text_of(const Fact& fact);

// Adds CUDA's versions, devices and how they reach one another; one line in a
// build without CUDA. `links` is what `nvidia-smi topo -m` prints, or empty.
void add_cuda(const std::string& links, Facts& facts);

}  // namespace dure::cli
