#include "dure/parallel/data/tied.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

constexpr int kFirst = 0;
constexpr int kLast = 1;
constexpr int kSummands = 0;  // tags
constexpr int kParts = 1;

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

TiedRanks::TiedRanks(Stream& stream, comm::Communicator& ranks)
    : stream_(&stream), ranks_(&ranks) {
  DURE_CHECK(
      ranks.size() == 2,
      "wanted the first stage and the last of a tied weight, got {} ranks",
      ranks.size());
}

void TiedRanks::give(OwnedTensor summand) {
  Given given;
  given.summand = std::move(summand);
  given.work = comm::TracedWork(
      *stream_,
      *ranks_,
      "send tied",
      comm::Send{.x = given.summand, .to = kFirst, .tag = kSummands});
  given.summand.used_until(given.work.event());
  given_.push_back(std::move(given));
}

void TiedRanks::take(Tensor summand) {
  comm::run_traced(*stream_,
                   *ranks_,
                   "receive tied",
                   comm::Recv{.y = summand, .from = kLast, .tag = kSummands});
}

void TiedRanks::add_up(Tensor part) {
  comm::run_traced(*stream_,
                   *ranks_,
                   "all_reduce tied",
                   comm::AllReduce{.y = part, .x = part});
}

void TiedRanks::copy_to_last(Tensor part) {
  if (is_first()) {
    comm::TracedWork(*stream_,
                     *ranks_,
                     "send tied",
                     comm::Send{.x = part, .to = kLast, .tag = kParts})
        .wait();
    return;
  }
  comm::run_traced(*stream_,
                   *ranks_,
                   "receive tied",
                   comm::Recv{.y = part, .from = kFirst, .tag = kParts});
  for (Given& given : given_) {
    given.work.wait();
  }
  given_.clear();
}

}  // namespace dure::parallel
