// Bytes as a table of products' algorithms: one that is read is the same after
// writing and reading again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dure/base/check.h"
#include "dure/kernels/product_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const dure::kernels::ProductDevice device = {
      .name = "a device", .library = 130101, .workspace = 1024};
  dure::kernels::ProductTable table(device);
  try {
    if (!table.take(text, "fuzz")) {
      return 0;
    }
  } catch (const dure::Error&) {
    if (!table.choices().empty()) {
      __builtin_trap();
    }
    return 0;
  }
  dure::kernels::ProductTable again(device);
  if (!again.take(table.to_json(), "again") ||
      again.choices() != table.choices()) {
    __builtin_trap();
  }
  return 0;
}
