// Bytes as an .idx and its .bin: every view either refuses them or gives tokens
// that lie inside.
//
// Input: a u16 with the size of the .idx, the .idx, the .bin.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/indexed_dataset.h"

namespace {

using dure::data::IndexView;

void read_all(const IndexView& index, std::span<const std::byte> bin) {
  std::vector<std::int32_t> tokens;
  std::int64_t counted = 0;
  for (std::int64_t s = 0; s < index.sequences(); ++s) {
    tokens.resize(index.length(s));
    read_tokens(index, bin, s, 0, tokens);
    counted += index.length(s);
  }
  for (std::int64_t d = 0; d < index.documents(); ++d) {
    if (index.document_begin(d) > index.document_begin(d + 1)) {
      __builtin_trap();
    }
  }
  if (counted != index.tokens()) {
    __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size < 2) {
    return 0;
  }
  std::uint16_t wanted = 0;
  std::memcpy(&wanted, data, sizeof wanted);
  const auto rest = std::as_bytes(std::span(data, size)).subspan(2);
  const std::size_t idx_bytes = std::min<std::size_t>(wanted, rest.size());
  const auto bin = rest.subspan(idx_bytes);
  try {
    read_all(IndexView(rest.first(idx_bytes), bin.size(), "fuzz"), bin);
  } catch (const dure::Error&) {  // refused: fine
  }
  return 0;
}
