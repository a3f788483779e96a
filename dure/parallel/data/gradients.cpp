#include "dure/parallel/data/gradients.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/elementwise.h"

namespace dure::parallel {

Gradients::Gradients(const StorePlace& place,
                     std::unique_ptr<GradientReducer> reducer)
    : place_(place), reducer_(std::move(reducer)), buckets_(place.plan) {}

// Most steps have the visits of the step before.
void Gradients::count(std::span<const nn::Visit> visits) {
  if (!visits_.empty() &&
      std::equal(
          visits.begin(), visits.end(), visits_.begin(), visits_.end())) {
    countdown_.restart();
    return;
  }
  visits_.assign(visits.begin(), visits.end());
  countdown_ = Countdown(place_.plan, visits, reducer_->every());
  for (const int bucket : countdown_.unvisited()) {
    const Bucket& planned = place_.bucket(bucket);
    visits_.clear();  // never begun
    DURE_CHECK(false,
               "no visit of the step writes the gradient of {}",
               place_.parameters[planned.first].name);
  }
}

void Gradients::begin_step(std::span<const nn::Visit> visits) {
  count(visits);
  reducer_->begin_step();
}

void Gradients::begin(int unit, int micro_batch) {
  for (const int bucket : buckets_.of(unit)) {
    reducer_->open({bucket, micro_batch});
  }
}

void Gradients::end(int unit, int micro_batch) {
  const std::vector<int>& buckets = buckets_.of(unit);
  for (std::size_t i = buckets.size(); i-- > 0;) {
    const Summand summand = {buckets[i], micro_batch};
    const Countdown::Left left = countdown_.end(buckets[i], micro_batch);
    if (left.visits == 0) {
      clear_unwritten(buckets[i]);
      reducer_->reduce(summand, left.reductions);
    } else {
      reducer_->close(summand);
    }
  }
}

// Clears the gradients of weights that the summand's visits did not write.
void Gradients::clear_unwritten(int bucket) {
  const Bucket& planned = place_.bucket(bucket);
  for (int w = planned.first; w < planned.last; ++w) {
    nn::Parameter& parameter = place_.parameters[w];
    if (parameter.take_write() == kernels::Write::kOverwrite) {
      launch(place_.stream, kernels::Fill{.y = parameter.gradient, .value = 0});
    }
  }
}

}  // namespace dure::parallel
