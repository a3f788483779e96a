// Who sees whom in device code: the SamplePattern of attention_pattern.h, of
// numbers in the device's memory.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "dure/kernels/attention_pattern.h"
#include "dure/kernels/cuda/fault.cuh"

namespace dure::kernels {

// Layouts, which an operation has in the host's memory, on the device.
class DeviceLayouts {
 public:
  // The device's copy of `seen`, which lives as long as this. It is made when
  // first asked for, as if by a launch.
  std::span<const std::uint8_t> copy_of(Stream& stream,
                                        std::span<const std::uint8_t> seen);

 private:
  // A model has few: the patterns of its layers.
  static constexpr std::size_t kMost = 16;

  struct Copy {
    std::vector<std::uint8_t> host;
    CudaHandle<void*, cudaFree> device;  // given back before `host` is
  };

  static std::span<const std::uint8_t> on_device(const Copy& copy) {
    return {static_cast<const std::uint8_t*>(copy.device.get()),
            copy.host.size()};
  }

  std::deque<Copy> copies_;  // the oldest first
};

inline std::span<const std::uint8_t> DeviceLayouts::copy_of(
    Stream& stream, std::span<const std::uint8_t> seen) {
  for (const Copy& copy : copies_) {
    if (std::ranges::equal(copy.host, seen)) {
      return on_device(copy);
    }
  }
  if (copies_.size() == kMost) {
    stream.synchronize();
    copies_.pop_front();
  }
  Copy& copy = copies_.emplace_back();
  copy.host.assign(seen.begin(), seen.end());
  DURE_CUDA(cudaMalloc(copy.device.address(), seen.size()));
  DURE_CUDA(cudaMemcpyAsync(copy.device.get(),
                            copy.host.data(),
                            copy.host.size(),
                            cudaMemcpyHostToDevice,
                            stream_of(stream)));
  return on_device(copy);
}

// A number of each sample; null where all have the same.
struct DeviceNumbers {
  const std::int32_t* each = nullptr;
  const char* name = nullptr;

  DeviceNumbers() = default;
  DeviceNumbers(const ConstTensor& numbers, const char* of)
      : each(numbers ? numbers.data<std::int32_t>() : nullptr), name(of) {}
};

// A pattern as a kernel's argument.
struct DevicePattern {
  SampleNumbers all;  // of a sample without numbers of its own
  AttentionLengths lengths;
  DeviceNumbers offset;
  DeviceNumbers prefix;
  DeviceNumbers key_lengths;
  DeviceNumbers documents;
  const char* place;  // the name of the first query's position
  std::int64_t places;
  DeviceFault* fault;

  // Keeps a number of sample b that is at most `value` in it.
  __device__ bool read(const DeviceNumbers& numbers,
                       std::int64_t b,
                       std::int64_t& value) const {
    if (numbers.each == nullptr) {
      return true;
    }
    const std::int64_t most = value;
    value = numbers.each[b];
    return value <= most || is_below(fault, numbers.name, value, most + 1, b);
  }

  __device__ bool read_length(std::int64_t b, std::int64_t& keys) const {
    if (key_lengths.each == nullptr) {
      return true;
    }
    keys = key_lengths.each[b];
    return is_below(fault, key_lengths.name, keys, lengths.keys + 1, b);
  }

  // The pattern of sample b. If a number of it is out of range, which it
  // reports, it shows no key.
  __device__ SamplePattern sample(std::int64_t b) const {
    SampleNumbers numbers = all;
    if (documents.each != nullptr) {
      numbers.documents = documents.each + b * lengths.keys;
    }
    const bool is_good =
        read(offset, b, numbers.offset) && read(prefix, b, numbers.prefix) &&
        read_length(b, numbers.keys) &&
        (place == nullptr || is_below(fault, place, numbers.offset, places, b));
    if (!is_good) {
      numbers.keys = 0;
    }
    return SamplePattern(numbers);
  }
};

// The positions that a sample's first query may have, if its last is to stay
// within what has an end.
inline void bound_positions(DevicePattern& to,
                            const char* name,
                            std::int64_t end) {
  const std::int64_t places = end - to.lengths.queries + 1;
  if (to.place == nullptr || places < to.places) {
    to.place = name;
    to.places = places;
  }
}

inline DevicePattern device_pattern(Stream& stream,
                                    const AttentionPattern& pattern,
                                    const AttentionLengths& lengths) {
  BlockLayout layout = pattern.layout;
  if (layout.side > 0) {
    layout.seen = stream.kept<DeviceLayouts>().copy_of(stream, layout.seen);
  }
  DevicePattern to = {.all = {.offset = pattern.offset.value,
                              .prefix = pattern.prefix.value,
                              .keys = lengths.keys,
                              .window = pattern.window,
                              .order = pattern.order,
                              .layout = layout},
                      .lengths = lengths,
                      .offset = {pattern.offset.each, "offset"},
                      .prefix = {pattern.prefix.each, "prefix"},
                      .key_lengths = {pattern.key_lengths, "key_lengths"},
                      .documents = {pattern.documents, "documents"},
                      .place = nullptr,
                      .places = 0,
                      .fault = fault_of(stream)};
  if (layout.side > 0) {
    bound_positions(
        to, "offset within the layout", layout.rows() * layout.side);
  }
  if (pattern.documents) {
    bound_positions(to, "offset within the documents", lengths.keys);
  }
  return to;
}

}  // namespace dure::kernels
