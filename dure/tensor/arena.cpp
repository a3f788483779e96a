#include "dure/tensor/arena.h"

#include <algorithm>
#include <exception>
#include <fmt/core.h>

#include "dure/base/check.h"

namespace dure {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, an AVX-512 register
// The holes for which the list has room: more than a model has layers.
constexpr std::size_t kHoles = 4096;

std::size_t rounded(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment *
         kAlignment;
}

std::string in_mib(std::size_t bytes) {
  return fmt::format("{} MiB", bytes >> 20);
}

}  // namespace

Buffer::~Buffer() {
  if (arena_ != nullptr) {
    arena_->release(*this);
  }
}

Arena::Arena(Stream& home, Options options)
    : home_(home), memory_(make_memory(home)), limit_(options.limit_bytes) {
  free_.reserve(kHoles);
  if (limit_ == 0) {
    const MemoryLimit there_is = memory_->limit();
    limit_ = there_is.bytes;
    limit_name_ = there_is.name;
  }
}

Arena::~Arena() {
  for (const Segment& segment : segments_) {
    if (home_.order() != nullptr) {
      home_.order()->order()->forget(segment.range.first);
    }
    memory_->give_back(segment.range);
  }
}

std::size_t Arena::high_water() const {
  std::size_t bytes = 0;
  for (const Segment& segment : segments_) {
    bytes += segment.high_water;
  }
  return bytes;
}

Buffer Arena::allocate(std::size_t bytes, Category category) {
  const std::size_t size = rounded(bytes);
  if (size < bytes || size > limit_ ||
      ledger_.current(memory_->tier()) > limit_ - size) {
    refuse(bytes, category);
  }
  auto hole = first_fit(size);
  if (hole == free_.end()) {
    reserve(size);
    hole = first_fit(size);
  }
  std::byte* const data = hole->first;
  check_order(data, size);
  Segment& segment = segment_of(data);
  const auto end = static_cast<std::size_t>(data - segment.range.first) + size;
  memory_->make_usable(segment.range, end);
  segment.high_water = std::max(segment.high_water, end);
  hole->first += size;
  hole->bytes -= size;
  if (hole->bytes == 0) {
    free_.erase(hole);
  }
  memory_->begin_use(data, bytes);
  ledger_.add(category, size, memory_->tier());
  return Buffer(this, data, size, category);
}

// Another stream may have used the bytes: that must be over for this one.
void Arena::check_order(const std::byte* data, std::size_t bytes) {
  if (home_.order() != nullptr) {
    const StreamOrder::Access access = {.operation = "a new block",
                                        .first = data,
                                        .bytes = bytes,
                                        .use = StreamOrder::Use::kTake};
    home_.order()->check(access);
    home_.order()->note(access);
  }
}

void Arena::refuse(std::size_t bytes, Category category) const {
  const bool configured = limit_name_ == "memory.limit_gib";
  throw Error(
      "out of memory: {} bytes of {} wanted over a limit of {}, {}; held: {}; "
      "ask for less at once (train.micro_batch, data.sequence), or {}",
      bytes,
      name_of(category),
      in_mib(limit_),
      limit_name_,
      to_string(ledger_, memory_->tier()),
      configured ? "raise memory.limit_gib"
                 : "use more ranks on other machines");
}

std::vector<Arena::Hole>::iterator Arena::first_fit(std::size_t bytes) {
  return std::find_if(free_.begin(), free_.end(), [&](const Hole& hole) {
    return hole.bytes >= bytes;
  });
}

// Reserves a segment in which a block of `bytes` fits. If addresses are not
// limited, it is as large as the arena's limit.
void Arena::reserve(std::size_t bytes) {
  const Memory::Range range = memory_->reserve(bytes, limit_);
  segments_.push_back({.range = range});
  if (home_.order() != nullptr) {
    home_.order()->order()->watch(range.first, range.bytes);
  }
  insert_free({range.first, range.bytes});
}

Arena::Segment& Arena::segment_of(const std::byte* address) {
  return *std::find_if(
      segments_.begin(), segments_.end(), [&](const Segment& segment) {
        return address >= segment.range.first && address < segment.range.last();
      });
}

OwnedTensor Arena::tensor(const Shape& shape, Category category, DType dtype) {
  const std::size_t bytes =
      static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  return OwnedTensor(allocate(bytes, category), shape, dtype);
}

void Arena::release(const Buffer& block) noexcept {
  for (const Event& use : block.uses_) {
    wait_for(use);
  }
  memory_->end_use(block.data_, block.bytes_);
  ledger_.subtract(block.category_, block.bytes_, memory_->tier());
  insert_free({static_cast<std::byte*>(block.data_), block.bytes_});
}

// Where a device does not take the wait, the host waits. A use that failed is
// over, too: a caller that waited for its result has got the error, or does not
// want it any more.
void Arena::wait_for(const Event& use) noexcept {
  try {
    home_.wait(use);
  } catch (const std::exception&) {
    try {
      use.pending()->wait();
    } catch (const std::exception&) {
      return;
    }
  }
}

// Whether two holes are one. Segments stay apart even if they touch.
bool Arena::touch(const Hole& before, const Hole& after) const {
  return before.last() == after.first &&
         std::none_of(
             segments_.begin(), segments_.end(), [&](const Segment& segment) {
               return segment.range.first == after.first;
             });
}

void Arena::insert_free(Hole hole) {
  auto next = std::lower_bound(
      free_.begin(), free_.end(), hole, [](const Hole& a, const Hole& b) {
        return a.first < b.first;
      });
  if (next != free_.end() && touch(hole, *next)) {
    hole.bytes += next->bytes;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    Hole& before = *std::prev(next);
    if (touch(before, hole)) {
      before.bytes += hole.bytes;
      return;
    }
  }
  free_.insert(next, hole);
}

}  // namespace dure
