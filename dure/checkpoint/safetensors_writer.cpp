#include "dure/checkpoint/safetensors_writer.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/json.h"

namespace dure::checkpoint {
namespace {

using nlohmann::json;

constexpr std::size_t kAlignment = 64;

void sort_for_alignment(std::vector<TensorHeader>& tensors) {
  std::sort(tensors.begin(),
            tensors.end(),
            [](const TensorHeader& a, const TensorHeader& b) {
              const std::size_t a_size = size_of(a.dtype);
              const std::size_t b_size = size_of(b.dtype);
              return a_size != b_size ? a_size > b_size : a.name < b.name;
            });
}

std::string dumped(const json& header) {
  try {
    return header.dump();
  } catch (const json::exception& error) {
    DURE_CHECK(false, "a tensor's name or metadata: {}", error.what());
    std::abort();  // not reached
  }
}

// The length, the JSON, and the spaces that align the tensors.
std::string header_bytes(const json& header) {
  std::string text = dumped(header);
  const std::size_t end = 8 + text.size();
  text.append((kAlignment - end % kAlignment) % kAlignment, ' ');
  DURE_CHECK(text.size() <= kHeaderLimit,
             "the header would take {} bytes; the format's limit is {}",
             text.size(),
             kHeaderLimit);
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  }
  return bytes + text;
}

}  // namespace

std::uint64_t bytes_of(const TensorHeader& tensor) {
  return static_cast<std::uint64_t>(elements_of(tensor.shape, tensor.name)) *
         size_of(tensor.dtype);
}

SafetensorsLayout plan_safetensors(std::vector<TensorHeader> tensors,
                                   const Metadata& metadata) {
  sort_for_alignment(tensors);
  json header = json::object();
  if (!metadata.empty()) {
    header["__metadata__"] = metadata;
  }
  SafetensorsLayout layout;
  std::uint64_t offset = 0;
  for (TensorHeader& tensor : tensors) {
    const std::uint64_t bytes = bytes_of(tensor);
    DURE_CHECK(!header.contains(tensor.name) && tensor.name != "__metadata__",
               "two tensors are called {}",
               tensor.name);
    header[tensor.name] = {{"dtype", name_of(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + bytes}}};
    layout.tensors.push_back({std::move(tensor), offset, bytes});
    offset += bytes;
  }
  layout.header = header_bytes(header);
  layout.file_bytes = layout.header.size() + offset;
  for (PlacedTensor& tensor : layout.tensors) {
    tensor.offset += layout.header.size();
  }
  return layout;
}

SafetensorsWriter::SafetensorsWriter(const Path& path,
                                     std::vector<TensorHeader> tensors,
                                     const Metadata& metadata)
    : layout_(plan_safetensors(std::move(tensors), metadata)), file_(path) {
  for (const PlacedTensor& tensor : layout_.tensors) {
    missing_.emplace(tensor.header.name, &tensor);
  }
  file_.write(layout_.header);
}

void SafetensorsWriter::write(std::string_view name,
                              std::span<const std::byte> bytes) {
  const auto found = missing_.find(name);
  DURE_CHECK(found != missing_.end(),
             "tensor {} is not of this file, or was written before",
             name);
  DURE_CHECK(bytes.size() == found->second->bytes,
             "tensor {} takes {} bytes, not {}",
             name,
             found->second->bytes,
             bytes.size());
  file_.write_at(found->second->offset, bytes.data(), bytes.size());
  missing_.erase(found);
}

void SafetensorsWriter::commit() {
  DURE_CHECK(
      missing_.empty(), "tensor {} was never written", missing_.begin()->first);
  file_.commit();
}

}  // namespace dure::checkpoint
