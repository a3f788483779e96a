// The arena: all tensor memory of one rank.
//
// Blocks are cut first-fit from the lowest address of a memory's ranges
// (memory.h) and merge with their neighbours when freed. So a training step
// that asks for the same sizes in the same order gets the same addresses each
// time, without a call to the system's allocator, and the resident set is the
// high-water mark.
//
// An arena has a home stream: blocks are taken and given back in that stream's
// order. A block that something else has used, such as a collective, knows
// until when (Buffer::used_until). Giving it back makes the home stream wait
// for that event, and then the block is free. Nobody asks whether a use is over
// already, so neither addresses nor peaks depend on timing.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dure/tensor/device.h"
#include "dure/tensor/event.h"
#include "dure/tensor/ledger.h"
#include "dure/tensor/memory.h"
#include "dure/tensor/stream.h"
#include "dure/tensor/tensor.h"

namespace dure {

class Arena;

// A block of the arena, given back on destruction. Move-only. Must not outlive
// its arena.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer();

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

  // Something other than the arena's home stream uses the block until then.
  void used_until(Event event) {
    if (event) {
      uses_.push_back(std::move(event));
    }
  }

 private:
  friend class Arena;
  Buffer(Arena* arena, void* data, std::size_t bytes, Category category)
      : arena_(arena), data_(data), bytes_(bytes), category_(category) {}
  void swap(Buffer& other) noexcept {
    std::swap(arena_, other.arena_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(category_, other.category_);
    std::swap(uses_, other.uses_);
  }

  Arena* arena_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Category category_ = Category::kWorkspace;
  std::vector<Event> uses_;
};

// A tensor that owns its elements. Slices to a Tensor, which is a view.
class OwnedTensor : public Tensor {
 public:
  OwnedTensor() = default;
  OwnedTensor(Buffer buffer, Shape shape, DType dtype)
      : Tensor(buffer.data(), shape, dtype), buffer_(std::move(buffer)) {}
  OwnedTensor(OwnedTensor&& other) noexcept
      : Tensor(std::exchange(static_cast<Tensor&>(other), Tensor())),
        buffer_(std::move(other.buffer_)) {}
  OwnedTensor& operator=(OwnedTensor&& other) noexcept {
    static_cast<Tensor&>(*this) =
        std::exchange(static_cast<Tensor&>(other), Tensor());
    buffer_ = std::move(other.buffer_);
    return *this;
  }
  ~OwnedTensor() = default;

  // Does the same for its buffer.
  void used_until(Event event) { buffer_.used_until(std::move(event)); }

 private:
  Buffer buffer_;
};

class Arena {
 public:
  struct Options {
    std::size_t limit_bytes = 0;  // 0: the memory's own limit
  };

  // Takes the memory of the home stream's device. The stream outlives the
  // arena.
  explicit Arena(Stream& home) : Arena(home, Options{}) {}
  Arena(Stream& home, Options options);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // Uninitialised, 64-byte aligned. Throws Error with the ledger if the limit
  // would be passed. Threads: the rank's own only.
  Buffer allocate(std::size_t bytes, Category category);
  OwnedTensor tensor(const Shape& shape, Category category, DType dtype);

  Stream& home() const { return home_; }
  Device device() const { return home_.device(); }
  const Ledger& ledger() const { return ledger_; }
  // Up to the end of the highest block ever held: peak() plus holes.
  std::size_t high_water() const;

 private:
  friend class Buffer;
  // A free block.
  struct Hole {
    std::byte* first;
    std::size_t bytes;
    std::byte* last() const { return first + bytes; }  // one past the end
  };
  // A range of addresses that this arena has reserved.
  struct Segment {
    Memory::Range range;
    std::size_t high_water = 0;
  };

  std::vector<Hole>::iterator first_fit(std::size_t bytes);
  void reserve(std::size_t bytes);
  Segment& segment_of(const std::byte* address);
  void check_order(const std::byte* data, std::size_t bytes);
  void release(const Buffer& block) noexcept;
  void wait_for(const Event& use) noexcept;
  void insert_free(Hole hole);
  bool touch(const Hole& before, const Hole& after) const;
  [[noreturn]] void refuse(std::size_t bytes, Category category) const;

  Stream& home_;
  std::unique_ptr<Memory> memory_;
  std::size_t limit_ = 0;
  std::string limit_name_ = "memory.limit_gib";
  std::vector<Segment> segments_;
  std::vector<Hole> free_;  // by address, never two that touch
  Ledger ledger_;
};

}  // namespace dure
