// Writes the safetensors format. A plan says where everything goes, before the
// first byte is written; the same tensors always give the same file.
//
// Tensors are laid out by element size, larger first, then by name, after a
// header that is padded with spaces to a multiple of 64 bytes. So every element
// is aligned to its size in a mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/files.h"
#include "dure/checkpoint/safetensors.h"

namespace dure::checkpoint {

struct TensorHeader {
  std::string name;
  FileDtype dtype = FileDtype::kF32;
  Dims shape;
  bool operator==(const TensorHeader&) const = default;
};

// The bytes of its elements.
std::uint64_t bytes_of(const TensorHeader& tensor);

struct PlacedTensor {
  TensorHeader header;
  std::uint64_t offset = 0;  // from the start of the file
  std::uint64_t bytes = 0;
};

struct SafetensorsLayout {
  std::string header;                 // from the file's first byte
  std::vector<PlacedTensor> tensors;  // in the order of their bytes
  std::uint64_t file_bytes = 0;
};

// Throws Error if two tensors have one name, or if a name is not UTF-8.
SafetensorsLayout plan_safetensors(std::vector<TensorHeader> tensors,
                                   const Metadata& metadata);

// A file written tensor by tensor, in any order; it appears at commit().
class SafetensorsWriter {
 public:
  SafetensorsWriter(const Path& path,
                    std::vector<TensorHeader> tensors,
                    const Metadata& metadata = {});

  // Writes all bytes of one tensor of the plan, once.
  void write(std::string_view name, std::span<const std::byte> bytes);

  // Throws Error if a tensor was not written.
  void commit();

 private:
  SafetensorsLayout layout_;
  AtomicFile file_;
  std::map<std::string_view, const PlacedTensor*> missing_;
};

}  // namespace dure::checkpoint
