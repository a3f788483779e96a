// The algorithms by which a GPU's library multiplies, one for each kind of
// product.
//
// A library offers several for a product, and they add in different orders. A
// table holds the ones that were chosen, by measurement where one is given to a
// stream. Its text can be kept: a run that reads it multiplies by the same
// algorithms, and so gets the same bits, on a device of the same name with the
// same version of the library.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dure/kernels/matmul.h"

namespace dure::kernels {

// All that an algorithm is chosen by.
struct ProductKey {
  std::array<std::int64_t, 3> sizes = {};  // M, N, K
  std::array<std::int64_t, 3> steps = {};  // of y, a, b
  DType y = DType::kF32;
  DType operands = DType::kF32;
  F32Product f32_product = F32Product::kF32;  // of operands of f32
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
  // In bytes, of y, a, b, bias and addend: the largest powers of two, but at
  // most 16, so that where in an arena a tensor lies changes no bits. 0: it is
  // absent.
  std::array<std::uint8_t, 5> alignments = {};

  auto operator<=>(const ProductKey&) const = default;
};

struct ProductChoice {
  // It is the library's own description, which another version may not know.
  std::array<std::uint64_t, 8> algorithm = {};
  std::size_t workspace_bytes = 0;

  bool operator==(const ProductChoice&) const = default;
};

using ProductChoices = std::map<ProductKey, ProductChoice>;

// For what a table's algorithms are.
struct ProductDevice {
  std::string name;            // "NVIDIA H200"
  std::int64_t library = 0;    // its version
  std::int64_t workspace = 0;  // bytes that an algorithm may use

  bool operator==(const ProductDevice&) const = default;
};

// Threads: any.
class ProductTable {
 public:
  explicit ProductTable(ProductDevice device) : device_(std::move(device)) {}

  const ProductDevice& device() const { return device_; }
  std::optional<ProductChoice> find(const ProductKey& key) const;
  // Enters a choice if the key has none, and returns the one that it has.
  ProductChoice enter(const ProductKey& key, const ProductChoice& choice);
  void replace(const ProductKey& key, const ProductChoice& choice);
  ProductChoices choices() const;

  // The table as JSON, its lines in the order of the keys.
  std::string to_json() const;
  // Enters a table's choices. Returns false, and enters nothing, if it is of
  // another device, version or workspace. Throws Error, and enters nothing, for
  // a text that to_json() does not write; messages begin with `source`.
  bool take(std::string_view text, const std::string& source);

 private:
  const ProductDevice device_;
  mutable std::mutex mutex_;
  ProductChoices choices_;
};

// The stream's table; null, as it is at first: products take what the library
// recommends.
inline std::shared_ptr<ProductTable>& product_table(Stream& stream) {
  return stream.kept<std::shared_ptr<ProductTable>>();
}

// The device that products of this process run on. Its code is in cuda/.
ProductDevice product_device();

// The place of the row with the lowest median, the first of equal ones. Each
// row has the seconds of the runs of one algorithm.
std::size_t fastest(std::span<const std::array<float, 3>> seconds);

}  // namespace dure::kernels
