// Any bytes as a safetensors file: refused with an Error, or a file whose
// tensors lie within it, side by side, and that survives being written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/safetensors.h"
#include "dure/checkpoint/safetensors_writer.h"

namespace dure::checkpoint {
namespace {

void expect(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// Touches every byte: the address sanitizer sees one outside.
unsigned sum(std::span<const std::byte> bytes) {
  unsigned total = 0;
  for (const std::byte byte : bytes) {
    total += std::to_integer<unsigned>(byte);
  }
  return total;
}

void check_content(const SafetensorsContent& content) {
  std::vector<TensorHeader> headers;
  std::vector<unsigned> sums;
  for (const TensorEntry& entry : content.tensors) {
    headers.push_back({entry.name, entry.dtype, entry.shape});
    expect(bytes_of(headers.back()) == entry.bytes.size());
    sums.push_back(sum(entry.bytes));
  }
  const SafetensorsLayout layout = plan_safetensors(headers, content.metadata);
  std::vector<std::byte> again(layout.file_bytes);
  const auto header = std::as_bytes(std::span(layout.header));
  std::copy(header.begin(), header.end(), again.begin());
  const SafetensorsContent second = parse_safetensors(again, "again");
  expect(second.metadata == content.metadata);
  expect(second.tensors.size() == content.tensors.size());
}

}  // namespace
}  // namespace dure::checkpoint

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    dure::checkpoint::check_content(dure::checkpoint::parse_safetensors(
        std::as_bytes(std::span(data, size)), "input"));
  } catch (const dure::Error&) {
  }
  return 0;
}
