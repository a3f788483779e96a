#include "dure/comm/sim/sim_communicator.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "dure/comm/algorithm/plan.h"
#include "dure/comm/error.h"

namespace dure::comm {
namespace {

// Partial sums of 16-bit floats travel as f32; minima and maxima do not.
double partial_factor(const Request& request) {
  const bool exact = request.reduction == Reduction::kMin ||
                     request.reduction == Reduction::kMax;
  return is_half(request.dtype()) && !exact ? 2 : 1;
}

// The bytes of the whole, even if this rank has only a part.
double bytes_of(const Request& request, int ranks) {
  std::int64_t elements = elements_of(request);
  if (!request.counts.empty() && request.kind != Kind::kAllToAll) {
    elements = std::accumulate(
        request.counts.begin(), request.counts.end(), std::int64_t{0});
  } else if (request.kind == Kind::kScatter || request.kind == Kind::kGather) {
    elements *= ranks;
  }
  return static_cast<double>(elements) *
         static_cast<double>(size_of(request.dtype()));
}

class SimCommunicator final : public Communicator {
 public:
  SimCommunicator(Identity identity,
                  const SimNetwork& network,
                  std::vector<int> world_ranks)
      : Communicator(std::move(identity)),
        network_(network),
        world_ranks_(std::move(world_ranks)) {
    for (const int rank : world_ranks_) {
      nodes_.push_back(network_.node_of(rank));
    }
  }

  static std::unique_ptr<Communicator> make(const SimWorld& world) {
    std::vector<int> ranks(static_cast<std::size_t>(world.ranks));
    std::iota(ranks.begin(), ranks.end(), 0);
    return std::make_unique<SimCommunicator>(
        Identity{
            .rank = world.rank, .size = world.ranks, .options = world.options},
        world.network,
        std::move(ranks));
  }

  const char* back_end() const override { return "sim"; }

  std::unique_ptr<Communicator> split(int /*color*/,
                                      int /*key*/,
                                      const std::string& axis) override {
    throw Unsupported(
        "the sim back end can't split off {}: it would have to know the colors "
        "of ranks that do not exist; name the ranks, by subgroup()",
        axis);
  }

  std::unique_ptr<Communicator> subgroup(std::span<const int> ranks,
                                         const std::string& axis) override {
    check_members(ranks);
    const auto me = std::find(ranks.begin(), ranks.end(), rank());
    return me == ranks.end()
               ? nullptr
               : make_subgroup(ranks,
                               identity_of(static_cast<int>(me - ranks.begin()),
                                           static_cast<int>(ranks.size()),
                                           axis));
  }

  std::unique_ptr<Communicator> own_group(std::span<const int> ranks,
                                          const std::string& axis) override {
    return subgroup(ranks, axis);
  }

 protected:
  bool supports_request(const Request& request) const override {
    switch (request.how.algorithm) {
      case Algorithm::kAutomatic:
      case Algorithm::kDirect:
        return true;
      default:
        return is_message(request.kind) ||
               has_plan(request.kind, request.how.algorithm, order_of(request));
    }
  }

  void execute(Stream& stream, const Request& request) override {
    start(stream, request).wait(stream);
  }

  Work begin(Stream& after, const Request& request) override {
    recorder().end(request.sequence, FlightRecorder::State::kDone);
    return start(after, request);
  }

  Work begin_messages(Stream& after,
                      std::span<const Request> messages) override {
    double out = 0;
    double in = 0;
    for (const Request& message : messages) {
      const Link& link = network_.link(node_of(rank()), node_of(message.root));
      (message.kind == Kind::kSend ? out : in) +=
          link.latency_seconds +
          static_cast<double>(elements_of(message)) *
              static_cast<double>(size_of(message.dtype())) /
              link.bytes_per_second;
      recorder().end(message.sequence, FlightRecorder::State::kDone);
    }
    return {after.seconds(), after.seconds() + std::max(out, in)};
  }

  std::unique_ptr<Communicator> make_subgroup(std::span<const int> members,
                                              Identity identity) override {
    std::vector<int> world_ranks;
    for (const int member : members) {
      world_ranks.push_back(world_ranks_[member]);
    }
    return std::make_unique<SimCommunicator>(
        std::move(identity), network_, std::move(world_ranks));
  }

 private:
  int node_of(int rank) const { return nodes_[rank]; }

  Work start(const Stream& after, const Request& request) {
    lane_ = std::max(after.seconds(), lane_) + seconds_of(request);
    return {after.seconds(), lane_};
  }

  double seconds_of(const Request& request) {
    const double bytes = bytes_of(request, size());
    const bool parts = request.kind != Kind::kAllToAll;
    PlanCostOf of{.kind = request.kind,
                  .algorithm = algorithm_of(request, bytes),
                  .root = request.root,
                  .partial_factor = partial_factor(request),
                  .counts = parts ? request.counts : Counts{}};
    const auto found = costs_.find(of);
    if (found != costs_.end()) {
      return found->second.seconds(bytes);
    }
    const PlanCost cost(of, nodes_, network_);
    return costs_.emplace(std::move(of), cost).first->second.seconds(bytes);
  }

  Algorithm algorithm_of(const Request& request, double bytes) const {
    const Algorithm named = request.how.algorithm;
    if (named != Algorithm::kAutomatic && named != Algorithm::kDirect) {
      return named;
    }
    const auto [first, last] =
        std::minmax_element(nodes_.begin(), nodes_.end());
    return choose(request.kind,
                  bytes,
                  size(),
                  order_of(request),
                  network_.link(*first, *last));
  }

  SimNetwork network_;
  std::vector<int> world_ranks_;
  std::vector<int> nodes_;
  double lane_ = 0;  // the end of the last collective so far
  std::map<PlanCostOf, PlanCost> costs_;
};

}  // namespace

std::unique_ptr<Communicator> make_sim_communicator(const SimWorld& world) {
  DURE_CHECK(world.rank >= 0 && world.rank < world.ranks &&
                 world.network.ranks_per_node > 0,
             "a simulated world of {} ranks, {} on a node, has no rank {}",
             world.ranks,
             world.network.ranks_per_node,
             world.rank);
  return SimCommunicator::make(world);
}

}  // namespace dure::comm
