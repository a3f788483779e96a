#include "dure/base/team.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/core_lending.h"
#include "dure/base/limits.h"
#include "dure/base/spin.h"

namespace dure {
namespace {

constexpr int kHalf = 32;  // bits

constexpr std::uint64_t packed(std::uint64_t first, std::uint64_t end) {
  return first | end << kHalf;
}

constexpr std::uint64_t first_of(std::uint64_t pieces) {
  return pieces & 0xffff'ffff;
}

constexpr std::uint64_t end_of(std::uint64_t pieces) {
  return pieces >> kHalf;
}

enum class From : std::uint8_t { kFront, kBack };

// Takes a piece, which then nobody else can take; nothing if none is left. It
// sees everything that was written before the piece could be taken.
std::optional<std::int64_t> take(std::atomic<std::uint64_t>& share, From from) {
  std::uint64_t pieces = share.load(std::memory_order_relaxed);
  while (first_of(pieces) < end_of(pieces)) {
    const std::uint64_t first = first_of(pieces);
    const std::uint64_t end = end_of(pieces);
    const std::uint64_t rest =
        from == From::kFront ? packed(first + 1, end) : packed(first, end - 1);
    if (share.compare_exchange_weak(pieces,
                                    rest,
                                    std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return static_cast<std::int64_t>(from == From::kFront ? first : end - 1);
    }
  }
  return std::nullopt;
}

std::size_t size_of_team(int members) {
  return static_cast<std::size_t>(
      members > 0 ? members : std::max(1, usable_processors()));
}

}  // namespace

Team::Team(int members) : shares_(size_of_team(members)) {
  shares_[0].thread = ::pthread_self();
  shares_[0].at_work.store(true, std::memory_order_release);
}

Team::~Team() {
  over_.store(true, std::memory_order_relaxed);
  posted_.fetch_add(1, std::memory_order_release);
  posted_.notify_all();
}

void Team::start() {
  for (int member = 1; member < members(); ++member) {
    try {
      threads_.emplace_back([this, member] { serve(member); });
    } catch (const std::system_error&) {
      throw Error(
          "the system does not grant this rank {} threads ({}): "
          "lower train.threads, or raise the limit",
          members(),
          thread_limits());
    }
  }
}

void Team::share(std::int64_t pieces, Call call_body, const void* body) {
  assert(pieces <= std::numeric_limits<std::uint32_t>::max());
  if (threads_.empty()) {
    start();
  }
  call_ = call_body;
  body_ = body;
  undone_.store(static_cast<std::uint32_t>(pieces), std::memory_order_relaxed);
  const auto count = static_cast<std::uint64_t>(pieces);
  for (std::size_t m = 0; m < shares_.size(); ++m) {
    shares_[m].pieces.store(
        packed(count * m / shares_.size(), count * (m + 1) / shares_.size()),
        std::memory_order_release);
  }
  posted_.fetch_add(1, std::memory_order_release);
  posted_.notify_all();
  work(0);
  while (const std::uint32_t undone = undone_.load(std::memory_order_acquire)) {
    await_change(0, undone_, undone);
  }
}

void Team::serve(int member) {
  Share& own = shares_[member];
  own.thread = ::pthread_self();
  own.at_work.store(true, std::memory_order_release);
  std::uint32_t seen = 0;
  while (!over_.load(std::memory_order_relaxed)) {
    work(member);
    await_change(member, posted_, seen);
    seen = posted_.load(std::memory_order_acquire);
  }
}

// Returns when the word has changed.
void Team::await_change(int member,
                        const std::atomic<std::uint32_t>& word,
                        std::uint32_t from) {
  const auto changed = [&] {
    return word.load(std::memory_order_acquire) != from;
  };
  if (spin_until(changed)) {
    return;
  }
  Share& own = shares_[member];
  own.at_work.store(false, std::memory_order_relaxed);
  if (!look_after_others(changed)) {
    word.wait(from, std::memory_order_acquire);
  }
  own.at_work.store(true, std::memory_order_release);
}

// Looks once more. If nothing has changed, lends this core to a member that is
// at work but has had no core. Returns whether something has changed.
template <typename Changed>
bool Team::look_after_others(const Changed& changed) {
  // Only one member at a time can be helped.
  constexpr std::size_t kLookedAt = 16;
  std::array<std::pair<const Share*, std::int64_t>, kLookedAt> times;
  std::size_t count = 0;
  for (const Share& share : shares_) {
    if (count < kLookedAt && share.at_work.load(std::memory_order_acquire)) {
      times[count++] = {&share, core_time(share.thread)};
    }
  }
  if (spin_until(changed)) {
    return true;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [share, before] = times[i];
    if (share->at_work.load(std::memory_order_acquire) &&
        core_time(share->thread) == before) {
      bring_to_this_core(share->thread);
      break;
    }
  }
  return false;
}

void Team::work(int member) {
  const std::size_t own = static_cast<std::size_t>(member);
  while (const auto piece = take(shares_[own].pieces, From::kFront)) {
    do_piece(*piece, member);
  }
  for (std::size_t i = 1; i < shares_.size(); ++i) {
    Share& other = shares_[(own + i) % shares_.size()];
    while (const auto piece = take(other.pieces, From::kBack)) {
      do_piece(*piece, member);
    }
  }
}

void Team::do_piece(std::int64_t piece, int member) {
  call_(body_, piece, member);
  if (undone_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    undone_.notify_one();
  }
}

}  // namespace dure
