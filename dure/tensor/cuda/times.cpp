#include "dure/tensor/cuda/times.h"

#include <algorithm>

#include "dure/tensor/cuda/check.h"
#include "dure/tensor/cuda/point.h"

namespace dure {
namespace {

double seconds_between(const Event& one, const Event& other) {
  float milliseconds = 0;
  DURE_CUDA(cudaEventElapsedTime(
      &milliseconds, cuda_point(one).event(), cuda_point(other).event()));
  return 1e-3 * double{milliseconds};
}

}  // namespace

void CudaTimes::begin(const Event& now) {
  cuda_point(now).wait();
  known_seconds_ = monotonic_seconds();
  known_ = now;
}

void CudaTimes::add(const Event& start,
                    const Event& end,
                    Trace& trace,
                    const TraceEvent& event) {
  in_flight_.push_back(
      {.start = start, .end = end, .trace = &trace, .event = event});
}

// The two clocks drift apart. But no work ends after the host has learnt that:
// what the device's clock is ahead is taken from the gaps between stretches, so
// that these keep their order. A stretch around the last one, such as an action
// of a pipeline, has none before it.
double CudaTimes::record(Stretch& stretch, double ahead) {
  TraceEvent& event = stretch.event;
  event.seconds = seconds_between(stretch.start, stretch.end);
  const double since = seconds_between(known_, stretch.end);
  const double taken =
      std::clamp(ahead, 0.0, std::max(0.0, since - event.seconds));
  const double launched = cuda_point(stretch.start).host_seconds();
  known_seconds_ =
      std::max(known_seconds_ + since - taken, launched + event.seconds);
  known_ = stretch.end;
  event.start_seconds = known_seconds_ - event.seconds;
  stretch.trace->record(event);
  return ahead - taken;
}

void CudaTimes::finish(std::int64_t count) {
  if (count == finished_) {
    return;
  }
  const Event& last =
      in_flight_[static_cast<std::size_t>(count - finished_ - 1)].end;
  double ahead =
      known_seconds_ + seconds_between(known_, last) - monotonic_seconds();
  for (; finished_ < count; ++finished_) {
    ahead = record(in_flight_.front(), ahead);
    in_flight_.pop_front();
  }
}

}  // namespace dure
