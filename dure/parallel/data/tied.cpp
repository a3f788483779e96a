#include "dure/parallel/data/tied.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/comm/traced_work.h"
#include "dure/parallel/data/parts_reducer.h"

namespace dure::parallel {
namespace {

constexpr int kFirst = 0;
constexpr int kLast = 1;
constexpr int kSummands = 0;  // tags
constexpr int kParts = 1;

// Around the reducer of a stage, which does all but what is overridden.
template <typename Stage>
class TiedReducer : public GradientReducer {
 public:
  TiedReducer(std::unique_ptr<Stage> stage,
              const StorePlace& place,
              const Tied& tied)
      : stage_(std::move(stage)),
        stream_(place.stream),
        ranks_(*tied.ranks),
        bucket_(bucket_of(place.plan, tied)) {
    DURE_CHECK(ranks_.size() == 2,
               "wanted the first stage and the last of a tied weight, got {} "
               "ranks",
               ranks_.size());
  }

  ReduceEvery every() const override { return stage_->every(); }
  void begin_step() override { stage_->begin_step(); }
  void open(Summand summand) override { stage_->open(summand); }
  void close(Summand summand) override { stage_->close(summand); }
  void reduce(Summand summand, int left) override {
    stage_->reduce(summand, left);
  }
  void finish() override {
    stage_->finish();
    exchange(part(bucket_));
  }
  Tensor part(int bucket) const override { return stage_->part(bucket); }

 protected:
  // Called at the end of a step, with this rank's part of the tied bucket.
  virtual void exchange(Tensor part) = 0;

  bool is_tied(Summand summand) const { return summand.bucket == bucket_; }
  void receive(Tensor y, int from, int tag) {
    comm::run_traced(stream_,
                     ranks_,
                     "receive tied",
                     comm::Recv{.y = y, .from = from, .tag = tag});
  }
  comm::TracedWork send(Tensor x, int to, int tag) {
    return {
        stream_, ranks_, "send tied", comm::Send{.x = x, .to = to, .tag = tag}};
  }

  std::unique_ptr<Stage> stage_;
  Stream& stream_;
  comm::Communicator& ranks_;

 private:
  int bucket_;
};

class TiedFast final : public TiedReducer<GradientReducer> {
 public:
  using TiedReducer::TiedReducer;

 private:
  void exchange(Tensor part) override {
    comm::run_traced(stream_,
                     ranks_,
                     "all_reduce tied",
                     comm::AllReduce{.y = part, .x = part});
  }
};

// The first stage, with ranked sums: adds to the summands of the last.
class TiedFirst final : public TiedReducer<PartsReducer> {
 public:
  using TiedReducer::TiedReducer;

  void open(Summand summand) override {
    if (is_tied(summand) && !stage_->has(summand)) {
      receive(stage_->add(summand, kernels::Write::kAdd), kLast, kSummands);
    }
    stage_->open(summand);
  }

 private:
  void exchange(Tensor part) override { send(part, kLast, kParts).wait(); }
};

// The last stage, with ranked sums: sends its summands and keeps them until the
// first stage has received all.
class TiedLast final : public TiedReducer<PartsReducer> {
 public:
  using TiedReducer::TiedReducer;

  void reduce(Summand summand, int left) override {
    if (!is_tied(summand)) {
      stage_->reduce(summand, left);
      return;
    }
    Sent sent = {.summand = stage_->take(summand)};
    sent.work = send(sent.summand, kFirst, kSummands);
    sent.summand.used_until(sent.work.event());
    sent_.push_back(std::move(sent));
  }

 private:
  struct Sent {
    OwnedTensor summand;
    comm::TracedWork work = {};
  };

  void exchange(Tensor part) override {
    receive(part, kFirst, kParts);
    for (Sent& sent : sent_) {
      sent.work.wait();
    }
    sent_.clear();
  }

  std::vector<Sent> sent_;
};

}  // namespace

int bucket_of(const BucketPlan& plan, const Tied& tied) {
  const auto found = std::find_if(
      plan.buckets.begin(), plan.buckets.end(), [&](const Bucket& bucket) {
        return bucket.first == tied.weight && bucket.last == tied.weight + 1;
      });
  DURE_CHECK(found != plan.buckets.end(),
             "wanted the tied weight {} in a group by itself, but it shares a "
             "bucket with others",
             tied.weight);
  return static_cast<int>(found - plan.buckets.begin());
}

std::unique_ptr<GradientReducer> make_tied_fast(
    std::unique_ptr<GradientReducer> stage,
    const StorePlace& place,
    const Tied& tied) {
  return std::make_unique<TiedFast>(std::move(stage), place, tied);
}

std::unique_ptr<GradientReducer> make_tied_ranked(
    std::unique_ptr<PartsReducer> stage,
    const StorePlace& place,
    const Tied& tied) {
  if (tied.ranks->rank() == kFirst) {
    return std::make_unique<TiedFirst>(std::move(stage), place, tied);
  }
  return std::make_unique<TiedLast>(std::move(stage), place, tied);
}

}  // namespace dure::parallel
