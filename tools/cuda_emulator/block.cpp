#include "tools/cuda_emulator/block.h"

#include <algorithm>
#include <array>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <optional>
#include <span>
#include <utility>

#include "tools/cuda_emulator/sanitizer_fiber.h"

namespace cuda_emulator {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10;
// Memory on both sides of shared memory that nobody may access, and what it
// holds: a write there is found when the block has ended.
constexpr std::size_t kRedZone = 256;
constexpr unsigned char kRed = 0xA5;

enum class State : std::uint8_t { kReady, kAtBlock, kAtWarp, kDone };

// One thread of a block.
struct Thread {
  boost::context::fiber fiber;
  SanitizerFiber sanitizer;
  Place place;
  State state = State::kDone;
  WarpCall call;              // at the barrier of its warp
  std::uint64_t learned = 0;  // there

  unsigned lane() const { return place.rank % kWarpSize; }
};

// The lanes of a warp that wait at its barriers, and those that have ended.
struct WarpState {
  unsigned waiting = 0;
  unsigned ended = 0;
  char edge = 0;
};

std::string text_of(const uint3& at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " +
         std::to_string(at.z) + ")";
}

unsigned volume(const dim3& of) {
  return of.x * of.y * of.z;
}

uint3 coordinates(unsigned index, const dim3& of) {
  return {index % of.x, index / of.x % of.y, index / (of.x * of.y)};
}

bool has(unsigned mask, unsigned lane) {
  return (mask >> lane & 1U) != 0;
}

std::string describe(const char* kernel, const Place& at) {
  return std::string(kernel) + ", block " + text_of(at.block) + ", thread " +
         text_of(at.thread);
}

}  // namespace

class BlockRunner::Impl {
 public:
  void run(const Launch& launch,
           const std::function<void()>& body,
           Random& random);

  // Of the running thread:
  const Place& place() const { return running_->place; }
  void wait_at_block() { stop(State::kAtBlock, &block_edge_); }
  std::uint64_t wait_at_warp(const WarpCall& call);
  std::string describe_running() const {
    return describe(launch_->kernel, running_->place);
  }
  void* shared() { return shared_.data() + kRedZone; }

 private:
  using Warp = std::span<const std::unique_ptr<Thread>>;

  void prepare_threads();
  void prepare_shared();
  bool are_red_zones_whole() const;
  void run_block(unsigned index);
  void start(Thread& thread);
  void thread_main();
  void resume(Thread& thread);
  void stop(State state, void* edge);
  void make_ready(Thread& thread);
  void after(const Thread& stopped);
  Warp warp_of(const Thread& thread) const;
  WarpState& state_of(const Thread& thread) {
    return warps_[thread.place.rank / kWarpSize];
  }
  void release_warp(const Thread& waiting);
  std::optional<std::string> misuse(const Thread& lane,
                                    const WarpCall& of_another,
                                    unsigned present) const;
  void release_block_if_complete();
  std::string describe_waiting() const;

  const Launch* launch_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  Random* random_ = nullptr;
  unsigned count_ = 0;  // threads of a block
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Thread*> ready_;
  std::vector<unsigned char> shared_;
  std::vector<WarpState> warps_;
  char block_edge_ = 0;
  unsigned at_block_ = 0;
  unsigned done_ = 0;
  Thread* running_ = nullptr;
  boost::context::fiber scheduler_;
  void* scheduler_sanitizer_ = nullptr;
  std::optional<std::string> fault_;
};

namespace {

// The runner whose kernel runs on this thread of the machine.
thread_local BlockRunner::Impl* current = nullptr;

}  // namespace

void BlockRunner::Impl::run(const Launch& launch,
                            const std::function<void()>& body,
                            Random& random) {
  launch_ = &launch;
  body_ = &body;
  random_ = &random;
  scheduler_sanitizer_ = SanitizerFiber::current();
  prepare_threads();
  prepare_shared();
  // A random cyclic order with a random step visits every block once.
  const unsigned blocks = volume(launch.grid);
  const auto first = static_cast<unsigned>(random.below(blocks));
  const bool backwards = random.below(2) == 1;
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned at = (first + i) % blocks;
    run_block(backwards ? blocks - 1 - at : at);
  }
}

void BlockRunner::Impl::prepare_threads() {
  count_ = volume(launch_->block);
  while (threads_.size() < count_) {
    threads_.push_back(std::make_unique<Thread>());
  }
}

// Poisons both ends of the shared memory.
void BlockRunner::Impl::prepare_shared() {
  const std::size_t bytes = launch_->shared_bytes + 2 * kRedZone;
  unpoison(shared_.data(), shared_.size());
  shared_.resize(std::max(bytes, shared_.size()));
  unsigned char* const end = shared_.data() + kRedZone + launch_->shared_bytes;
  std::fill_n(shared_.data(), kRedZone, kRed);
  std::fill_n(end, kRedZone, kRed);
  poison(shared_.data(), kRedZone);
  poison(shared_.data() + kRedZone + launch_->shared_bytes,
         shared_.size() - kRedZone - launch_->shared_bytes);
}

bool BlockRunner::Impl::are_red_zones_whole() const {
  const unsigned char* const end =
      shared_.data() + kRedZone + launch_->shared_bytes;
  const auto is_red = [](unsigned char byte) { return byte == kRed; };
  return std::all_of(shared_.data(), shared_.data() + kRedZone, is_red) &&
         std::all_of(end, end + kRedZone, is_red);
}

void BlockRunner::Impl::run_block(unsigned index) {
  fill_with_garbage(shared(), launch_->shared_bytes, *random_);
  ready_.clear();
  warps_.assign((count_ + kWarpSize - 1) / kWarpSize, WarpState{});
  at_block_ = done_ = 0;
  for (unsigned rank = 0; rank < count_; ++rank) {
    Thread& thread = *threads_[rank];
    thread.place = {.thread = coordinates(rank, launch_->block),
                    .block = coordinates(index, launch_->grid),
                    .threads = launch_->block,
                    .blocks = launch_->grid,
                    .rank = rank};
    make_ready(thread);
  }
  release(&block_edge_);
  while (!ready_.empty() && !fault_) {
    std::swap(ready_[random_->below(ready_.size())], ready_.back());
    Thread& next = *ready_.back();
    ready_.pop_back();
    resume(next);
    after(next);
  }
  acquire(&block_edge_);
  if (!fault_ && done_ != count_) {
    fault_ = describe_waiting();
  }
  if (!fault_ && !are_red_zones_whole()) {
    fault_ = "a write outside of its shared memory, " +
             std::to_string(launch_->shared_bytes) + " bytes, in " +
             describe(launch_->kernel, threads_.front()->place);
  }
  if (fault_) {
    threads_.clear();  // their stacks are unwound
    throw KernelFault(*std::exchange(fault_, {}));
  }
}

void BlockRunner::Impl::make_ready(Thread& thread) {
  thread.state = State::kReady;
  ready_.push_back(&thread);
}

void BlockRunner::Impl::start(Thread& thread) {
  thread.fiber =
      boost::context::fiber(std::allocator_arg,
                            boost::context::fixedsize_stack(kStackBytes),
                            [this](boost::context::fiber&& scheduler) {
                              scheduler_ = std::move(scheduler);
                              thread_main();
                              return std::move(scheduler_);
                            });
}

// Runs a thread's part of one block after another.
void BlockRunner::Impl::thread_main() {
  for (;;) {
    acquire(&block_edge_);
    try {
      (*body_)();
    } catch (const KernelFault& fault) {
      fault_ = fault.what();
    }
    stop(State::kDone, &block_edge_);
  }
}

void BlockRunner::Impl::resume(Thread& thread) {
  if (!thread.fiber) {
    start(thread);
  }
  running_ = &thread;
  Impl* const outer = std::exchange(current, this);
  SanitizerFiber::switch_to(thread.sanitizer.handle());
  thread.fiber = std::move(thread.fiber).resume();
  current = outer;
}

// Leaves the running thread for the scheduler, until it is resumed.
void BlockRunner::Impl::stop(State state, void* edge) {
  running_->state = state;
  release(edge);
  SanitizerFiber::switch_to(scheduler_sanitizer_);
  scheduler_ = std::move(scheduler_).resume();
  acquire(edge);
}

std::uint64_t BlockRunner::Impl::wait_at_warp(const WarpCall& call) {
  Thread& thread = *running_;
  if (!has(call.mask, thread.lane())) {
    fault(std::string(call.name) + " got a mask without its own lane");
  }
  thread.call = call;
  stop(State::kAtWarp, &state_of(thread).edge);
  return thread.learned;
}

// Lets those go on who have waited for this thread.
void BlockRunner::Impl::after(const Thread& stopped) {
  at_block_ += stopped.state == State::kAtBlock ? 1 : 0;
  done_ += stopped.state == State::kDone ? 1 : 0;
  const unsigned lane = 1U << stopped.lane();
  if (stopped.state == State::kAtWarp) {
    state_of(stopped).waiting |= lane;
    release_warp(stopped);
  }
  if (stopped.state == State::kDone) {
    state_of(stopped).ended |= lane;
    for (const auto& other : warp_of(stopped)) {
      if (other->state == State::kAtWarp) {
        release_warp(*other);
      }
    }
  }
  release_block_if_complete();
}

BlockRunner::Impl::Warp BlockRunner::Impl::warp_of(const Thread& thread) const {
  const unsigned first = thread.place.rank / kWarpSize * kWarpSize;
  return Warp(threads_).subspan(first, std::min(kWarpSize, count_ - first));
}

// Lets the lanes that this one waits for go on with it, if all of them that
// have not ended are there.
void BlockRunner::Impl::release_warp(const Thread& waiting) {
  const WarpCall& call = waiting.call;
  const Warp warp = warp_of(waiting);
  WarpState& state = state_of(waiting);
  const unsigned existing = ~0U >> (kWarpSize - warp.size());
  const unsigned present = call.mask & existing & ~state.ended;
  if ((present & ~state.waiting) != 0) {
    return;
  }
  std::array<LaneValue, kWarpSize> values = {};
  for (const auto& lane : warp) {
    if (has(present, lane->lane())) {
      if (lane->call.mask != call.mask) {
        return;
      }
      values[lane->lane()] = {.bits = lane->call.bits, .is_there = true};
    }
  }
  state.waiting &= ~present;
  for (const auto& lane : warp) {
    if (has(present, lane->lane())) {
      fault_ = fault_ ? fault_ : misuse(*lane, call, present);
      lane->learned =
          lane->call.combine(values.data(), lane->lane(), lane->call.argument);
      make_ready(*lane);
    }
  }
}

std::optional<std::string> BlockRunner::Impl::misuse(const Thread& lane,
                                                     const WarpCall& of_another,
                                                     unsigned present) const {
  // Described only where there is a fault: this runs for every lane.
  const auto where = [&] {
    return " in " + describe(launch_->kernel, lane.place);
  };
  if (lane.call.combine != of_another.combine) {
    return std::string(lane.call.name) + " met " + of_another.name +
           " of another lane" + where();
  }
  if (lane.call.reads < kWarpSize && !has(present, lane.call.reads)) {
    return std::string(lane.call.name) + " reads lane " +
           std::to_string(lane.call.reads) + ", which takes no part," + where();
  }
  return std::nullopt;
}

void BlockRunner::Impl::release_block_if_complete() {
  if (at_block_ == 0 || at_block_ + done_ != count_) {
    return;
  }
  at_block_ = 0;
  for (unsigned rank = 0; rank < count_; ++rank) {
    if (threads_[rank]->state == State::kAtBlock) {
      make_ready(*threads_[rank]);
    }
  }
}

// What the first thread that waits in vain waits for.
std::string BlockRunner::Impl::describe_waiting() const {
  for (unsigned rank = 0; rank < count_; ++rank) {
    const Thread& thread = *threads_[rank];
    const std::string where = " in " + describe(launch_->kernel, thread.place);
    if (thread.state == State::kAtWarp) {
      return std::string(thread.call.name) +
             " waits for lanes that do not call it" + where;
    }
    if (thread.state == State::kAtBlock) {
      return "__syncthreads waits for threads that do not call it" + where;
    }
  }
  return "";
}

BlockRunner::BlockRunner() : impl_(std::make_unique<Impl>()) {}
BlockRunner::~BlockRunner() = default;

void BlockRunner::run(const Launch& launch,
                      const std::function<void()>& thread,
                      Random& random) {
  impl_->run(launch, thread, random);
}

const Place& place() {
  return current->place();
}

void block_barrier() {
  current->wait_at_block();
}

std::uint64_t warp_barrier(const WarpCall& call) {
  return current->wait_at_warp(call);
}

void* shared_memory() {
  return current->shared();
}

void fault(const std::string& what) {
  throw KernelFault(what + " in " + current->describe_running());
}

std::string describe_place() {
  return current == nullptr ? "" : current->describe_running();
}

}  // namespace cuda_emulator
