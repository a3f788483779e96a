// A reducer that has memory for this rank's parts alone.
//
// A summand has memory of its own, from the first visit that writes to it to
// the end of its reduction. Several may have some at once. It is added up in
// f32 and rounded once, to the type in which it is sent.
#pragma once

#include <map>
#include <vector>

#include "dure/parallel/data/queued_reducer.h"

namespace dure::parallel {

class PartsReducer : public QueuedReducer {
 public:
  explicit PartsReducer(const StorePlace& place);

  ReduceEvery every() const override { return ReduceEvery::kMicroBatch; }
  void open(Summand summand) override;
  void close(Summand summand) override;
  Tensor part(int bucket) const override {
    return place_.part_in_parts(sums_, bucket);
  }

  // The memory of a summand that is being written. open() adds it, with weights
  // that are overwritten first, unless a caller has.
  bool has(Summand summand) const { return written_.contains(summand); }
  Tensor add(Summand summand, kernels::Write first);
  OwnedTensor take(Summand summand);
  // Takes it in the type of reductions.
  OwnedTensor take_to_send(Summand summand);

 private:
  struct Written {
    OwnedTensor memory;
    std::vector<kernels::Write> next;  // how to write each weight
  };

  std::map<Summand, Written> written_;
};

}  // namespace dure::parallel
