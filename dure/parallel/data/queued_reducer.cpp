#include "dure/parallel/data/queued_reducer.h"

#include <utility>

namespace dure::parallel {
namespace {

constexpr std::size_t kMostInFlight = 2;

}  // namespace

QueuedReducer::QueuedReducer(const StorePlace& place,
                             std::int64_t elements_of_sums)
    : place_(place),
      sums_(place.arena.tensor(
          {elements_of_sums}, Category::kGradients, place.gradient)) {}

void QueuedReducer::reduce(Summand summand, int left) {
  if (in_flight_.size() == kMostInFlight) {
    settle_oldest();
  }
  InFlight& started = in_flight_.emplace_back(start(summand));
  started.is_last = left == 0;
  started.sent.used_until(started.work.event());
  started.received.used_until(started.work.event());
}

void QueuedReducer::settle_oldest() {
  InFlight oldest = std::move(in_flight_.front());
  in_flight_.erase(in_flight_.begin());
  oldest.work.wait();
  add_received(oldest);
  if (oldest.is_last && place_.groups_of(oldest.bucket).replicate->size() > 1) {
    across_.push_back(start_across(oldest.bucket));
  }
}

void QueuedReducer::finish() {
  while (!in_flight_.empty()) {
    settle_oldest();
  }
  for (comm::TracedWork& work : across_) {
    work.wait();
  }
  across_.clear();
}

}  // namespace dure::parallel
