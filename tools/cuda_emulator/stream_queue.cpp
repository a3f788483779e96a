#include "tools/cuda_emulator/stream_queue.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tools/cuda_emulator/device_memory.h"

namespace cuda_emulator {
namespace {

std::uint64_t first_seed() {
  const char* const text = std::getenv("CUDA_EMULATOR_SEED");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

}  // namespace

Streams& streams() {
  static auto* const all = new Streams;  // outlives every other object
  return *all;
}

Streams::Streams()
    : seed_(first_seed()),
      random_(seed_),
      mode_(under_thread_sanitizer() ? Mode::kEager : Mode::kSeeded),
      clock_rate_(random_.below(2) == 0 ? 0.999 : 1.001) {}

double Streams::clock_seconds() const {
  return clock_rate_ * std::chrono::duration<double>(
                           std::chrono::steady_clock::now().time_since_epoch())
                           .count();
}

cudaStream_t Streams::make_stream() {
  return streams_.emplace_back(std::make_unique<CUstream_st>()).get();
}

void Streams::destroy(cudaStream_t stream) {
  synchronize(stream);
  std::erase_if(streams_,
                [&](const auto& each) { return each.get() == stream; });
}

cudaEvent_t Streams::make_event(bool is_timed) {
  events_.push_back(std::make_unique<CUevent_st>());
  events_.back()->is_timed = is_timed;
  return events_.back().get();
}

// CUDA lets work that names the event end first.
void Streams::destroy(cudaEvent_t event) {
  for (const auto& stream : streams_) {
    const bool is_named = std::ranges::any_of(
        stream->queue, [&](const auto& work) { return work.event == event; });
    if (is_named || event->reached < event->recorded) {
      synchronize(stream.get());
    }
  }
  std::erase_if(events_, [&](const auto& each) { return each.get() == event; });
}

void Streams::enqueue(cudaStream_t stream, std::function<void()> run) {
  CUstream_st::Work work = {.run = std::move(run), .event = nullptr};
  if (mode_ == Mode::kEager) {
    return run_at_once(stream, std::move(work));
  }
  stream->queue.push_back(std::move(work));
}

void Streams::wait(cudaStream_t stream, cudaEvent_t event) {
  CUstream_st::Work work = {
      .run = {}, .event = event, .until = event->recorded};
  if (mode_ == Mode::kEager) {
    return run_at_once(stream, std::move(work));
  }
  stream->queue.push_back(std::move(work));
}

void Streams::record(cudaEvent_t event, cudaStream_t stream) {
  const std::uint64_t number = ++event->recorded;
  enqueue(stream, [this, event, number] {
    event->reached = number;
    event->seconds = clock_seconds();
    release(&event->edge);
  });
}

bool Streams::can_run(cudaStream_t stream) const {
  const CUstream_st::Work& head = stream->queue.front();
  return head.event == nullptr || head.event->reached >= head.until;
}

void Streams::run_head(cudaStream_t stream) {
  const CUstream_st::Work head = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (head.run && fault_.empty()) {
    try {
      head.run();
    } catch (const KernelFault& fault) {
      fault_ = fault.what();
      std::fprintf(stderr, "cuda emulator: %s\n", fault_.c_str());
    }
  }
}

// Prefers the wanted stream three times of four, so that others lag behind.
void Streams::run_until(cudaStream_t wanted,
                        const std::function<bool()>& done) {
  const OpenMemory open;
  while (!done()) {
    std::vector<cudaStream_t> able;
    for (const auto& stream : streams_) {
      if (!stream->queue.empty() && can_run(stream.get())) {
        able.push_back(stream.get());
      }
    }
    if (able.empty()) {
      std::fprintf(stderr, "cuda emulator: streams wait for one another\n");
      std::abort();
    }
    const bool prefer = std::ranges::count(able, wanted) != 0;
    run_head(prefer && random_.below(4) != 0
                 ? wanted
                 : able[random_.below(able.size())]);
  }
}

// On the stream's fiber, with an edge from the host to the work alone.
void Streams::run_at_once(cudaStream_t stream, CUstream_st::Work work) {
  void* const host = SanitizerFiber::current();
  release(&stream->queue);
  SanitizerFiber::switch_to(stream->fiber.handle());
  acquire(&stream->queue);
  if (work.event != nullptr) {
    acquire(&work.event->edge);
  }
  stream->queue.push_back(std::move(work));
  run_head(stream);
  SanitizerFiber::switch_to(host);
}

void Streams::synchronize(cudaStream_t stream) {
  enqueue(stream, [stream] { release(&stream->edge); });
  run_until(stream, [&] { return stream->queue.empty(); });
  acquire(&stream->edge);
}

void Streams::synchronize(cudaEvent_t event) {
  const std::uint64_t wanted = event->recorded;
  run_until(nullptr, [&] { return event->reached >= wanted; });
  acquire(&event->edge);
}

void Streams::synchronize_all() {
  for (const auto& stream : streams_) {
    synchronize(stream.get());
  }
}

// Lets a little of the work run, so that a host that asks again and again ends.
void Streams::run_some() {
  std::size_t steps = random_.below(3);
  const bool any = std::ranges::any_of(
      streams_, [](const auto& stream) { return !stream->queue.empty(); });
  if (any) {
    run_until(nullptr, [&] {
      const bool left = std::ranges::any_of(
          streams_, [](const auto& stream) { return !stream->queue.empty(); });
      return !left || steps-- == 0;
    });
  }
}

bool Streams::is_done(cudaStream_t stream) {
  run_some();
  if (stream->queue.empty()) {
    synchronize(stream);
    return true;
  }
  return false;
}

bool Streams::is_done(cudaEvent_t event) {
  run_some();
  if (event->reached < event->recorded) {
    return false;
  }
  acquire(&event->edge);
  return true;
}

Mode mode() {
  return under_thread_sanitizer() ? Mode::kEager : Mode::kSeeded;
}

}  // namespace cuda_emulator
