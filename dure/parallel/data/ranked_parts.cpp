#include "dure/kernels/elementwise.h"
#include "dure/parallel/data/gradient_reducer.h"
#include "dure/parallel/data/parts_reducer.h"

namespace dure::parallel {
namespace {

// Each rank adds up the summands of its own elements, its share of a part.
class RankedParts final : public PartsReducer {
 public:
  using PartsReducer::PartsReducer;

  void begin_step() override {
    launch(place_.stream, kernels::Fill{.y = sums_, .value = 0});
  }

 private:
  InFlight start(Summand summand) override {
    const int bucket = summand.bucket;
    comm::Communicator& all = *place_.groups_of(bucket).all_to_all;
    const int ranks = all.size();
    const comm::Counts own(static_cast<std::size_t>(ranks),
                           share(bucket).elements());
    InFlight started = {.bucket = bucket, .sent = take_to_send(summand)};
    started.received = place_.arena.tensor(
        {ranks * own.front()}, Category::kCommunication, started.sent.dtype());
    started.work = comm::TracedWork(
        place_.stream,
        all,
        "all_to_all gradients",
        comm::AllToAll{.y = started.received,
                       .x = started.sent,
                       .x_counts = part_counts(place_.bucket(bucket), ranks),
                       .y_counts = own});
    return started;
  }

  void add_received(const InFlight& done) override {
    const Tensor sum = share(done.bucket);
    for (const int rank : place_.groups_of(done.bucket).by_sample) {
      launch(place_.stream,
             kernels::Add{.y = sum,
                          .a = sum,
                          .b = done.received.rows(rank * sum.elements(),
                                                  sum.elements())});
    }
  }

  comm::TracedWork start_across(int bucket) override {
    return {place_.stream,
            *place_.groups_of(bucket).replicate,
            "all_gather gradients",
            comm::AllGather{.y = part(bucket),
                            .x = share(bucket),
                            .counts = share_counts(bucket)}};
  }

  Tensor share(int bucket) const {
    const Bucket& planned = place_.bucket(bucket);
    const ReplicaGroups& groups = place_.groups_of(bucket);
    const PartRange own =
        part_range(planned, {groups.all_to_all->rank(), groups.ranks()});
    const PartRange all = part_range(planned, groups.part());
    return part(bucket).rows(own.first - all.first, own.elements());
  }

  // The shares of all ranks that own the part.
  comm::Counts share_counts(int bucket) const {
    const ReplicaGroups& groups = place_.groups_of(bucket);
    const std::vector<std::int64_t> all =
        part_counts(place_.bucket(bucket), groups.ranks());
    const std::ptrdiff_t owners = groups.replicate->size();
    const auto first = all.begin() + groups.part().index * owners;
    return {first, first + owners};
  }
};

}  // namespace

std::unique_ptr<PartsReducer> make_ranked_parts(const StorePlace& place) {
  return std::make_unique<RankedParts>(place);
}

}  // namespace dure::parallel
