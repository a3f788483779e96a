#include "dure/comm/mpi/channel.h"

namespace dure::comm {
namespace {

// The finalizer of splitmix64 [Steele, Lea and Flood 2014].
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

void* Scratch::buffer(std::size_t index, std::size_t bytes) {
  if (index >= buffers_.size()) {
    buffers_.resize(index + 1);
  }
  Buffer& buffer = buffers_[index];
  std::size_t room = bytes + kAlignment;
  if (buffer.bytes < room) {
    buffer.data = std::make_unique_for_overwrite<std::byte[]>(room);
    buffer.bytes = room;
  }
  void* start = buffer.data.get();
  return std::align(kAlignment, bytes, start, room);
}

// All members have made equally many collective calls: the split was the last.
std::uint64_t child_id(const Channel& parent, int leader) {
  return mix(mix(parent.id ^ mix(parent.called)) +
             static_cast<std::uint64_t>(leader));
}

std::uint64_t world_id(std::uint64_t count) {
  return mix(count);
}

}  // namespace dure::comm
