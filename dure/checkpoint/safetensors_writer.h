// The safetensors format, written: where everything goes is a plan, made before
// the first byte is written; the same tensors always give the same file.
//
// Tensors are laid out by element size, larger first, then by name, behind a
// header that spaces fill up to a multiple of 64 bytes: so every element is
// aligned to its size in a mapped file.
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

// The bytes that its elements take.
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

// Error where two tensors have one name, or a name is not UTF-8.
SafetensorsLayout plan_safetensors(std::vector<TensorHeader> tensors,
                                   const Metadata& metadata);

// A file written tensor by tensor, in any order; it appears at commit().
class SafetensorsWriter {
 public:
  SafetensorsWriter(const Path& path,
                    std::vector<TensorHeader> tensors,
                    const Metadata& metadata = {});

  // All bytes of one tensor of the plan, once.
  void write(std::string_view name, std::span<const std::byte> bytes);

  // Error where a tensor was not written.
  void commit();

 private:
  SafetensorsLayout layout_;
  AtomicFile file_;
  std::map<std::string_view, const PlacedTensor*> missing_;
};

}  // namespace dure::checkpoint
