#include "dure/parallel/data/parts_reducer.h"

#include <utility>

#include "dure/kernels/elementwise.h"

namespace dure::parallel {

PartsReducer::PartsReducer(const StorePlace& place)
    : QueuedReducer(place, part_elements(place.plan, place.parts)) {}

Tensor PartsReducer::add(Summand summand, kernels::Write first) {
  const Bucket& planned = place_.bucket(summand.bucket);
  Written& written = written_[summand];
  written.memory = place_.arena.tensor(
      {planned.elements}, Category::kCommunication, DType::kF32);
  written.next.assign(static_cast<std::size_t>(planned.last - planned.first),
                      first);
  return written.memory;
}

void PartsReducer::open(Summand summand) {
  if (!has(summand)) {
    add(summand, kernels::Write::kOverwrite);
  }
  const Written& written = written_.at(summand);
  const Bucket& planned = place_.bucket(summand.bucket);
  place_.point(summand.bucket, &nn::Parameter::gradient, written.memory);
  for (int w = planned.first; w < planned.last; ++w) {
    place_.parameters[w].next_write = written.next[w - planned.first];
  }
}

void PartsReducer::close(Summand summand) {
  Written& written = written_.at(summand);
  const Bucket& planned = place_.bucket(summand.bucket);
  for (int w = planned.first; w < planned.last; ++w) {
    written.next[w - planned.first] = place_.parameters[w].next_write;
  }
  place_.point(summand.bucket, &nn::Parameter::gradient, Tensor());
}

OwnedTensor PartsReducer::take(Summand summand) {
  place_.point(summand.bucket, &nn::Parameter::gradient, Tensor());
  return std::move(written_.extract(summand).mapped().memory);
}

OwnedTensor PartsReducer::take_to_send(Summand summand) {
  OwnedTensor memory = take(summand);
  if (memory.dtype() == place_.reduce) {
    return memory;
  }
  OwnedTensor rounded = place_.arena.tensor(
      memory.shape(), Category::kCommunication, place_.reduce);
  launch(place_.stream, kernels::Copy{.y = rounded, .x = memory});
  return rounded;
}

}  // namespace dure::parallel
