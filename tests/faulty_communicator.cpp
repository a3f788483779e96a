#include "tests/faulty_communicator.h"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <numeric>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/groups.h"

namespace dure {
namespace {

using comm::Communicator;
using comm::Kind;
using comm::Request;

constexpr const char* kTiedAxis = "tied";  // dure/parallel/data/tied.cpp
constexpr int kTiedSummands = 0;

// Memory of a request's type.
class Scratch {
 public:
  Scratch(std::int64_t elements, DType dtype)
      : bytes_(static_cast<std::size_t>(elements) * size_of(dtype)),
        tensor_(bytes_.data(), Shape{elements}, dtype) {}

  Tensor tensor() { return tensor_; }

 private:
  std::vector<std::byte> bytes_;
  Tensor tensor_;
};

void copy(Tensor y, ConstTensor x) {
  std::memmove(y.bytes(), x.bytes(), x.size_bytes());
}

void clear(Tensor y) {
  std::memset(y.bytes(), 0, y.size_bytes());
}

// Gradients are f32.
void double_elements(Tensor y) {
  float* x = y.data<float>();
  std::transform(x, x + y.elements(), x, [](float v) { return 2 * v; });
}

template <typename T>
T flat(const T& x) {
  return x.reshaped({x.elements()});
}

// The elements of a rank, of parts of these sizes.
template <typename T>
T part_of(const T& x, const comm::Counts& counts, int rank) {
  return flat(x).rows(comm::offset_of(counts, rank),
                      counts[static_cast<std::size_t>(rank)]);
}

bool is_reduction(const std::string& axis, const Request& request) {
  switch (request.kind) {
    case Kind::kAllReduce:
    case Kind::kReduceScatter:
    case Kind::kAllToAll:
      return true;
    case Kind::kRecv:
      return axis == kTiedAxis && request.tag == kTiedSummands;
    default:
      return false;
  }
}

// function(op) of the operation that the request was made from.
template <typename Function>
auto with_op(const Request& r, Function&& function) {
  switch (r.kind) {
    case Kind::kBroadcast:
      return function(
          comm::Broadcast{.x = r.output, .root = r.root, .how = r.how});
    case Kind::kReduce:
      return function(comm::Reduce{.y = r.output,
                                   .x = r.input,
                                   .reduction = r.reduction,
                                   .root = r.root,
                                   .how = r.how});
    case Kind::kAllReduce:
      return function(comm::AllReduce{
          .y = r.output, .x = r.input, .reduction = r.reduction, .how = r.how});
    case Kind::kScatter:
      return function(comm::Scatter{.y = r.output,
                                    .x = r.input,
                                    .root = r.root,
                                    .counts = r.counts,
                                    .how = r.how});
    case Kind::kGather:
      return function(comm::Gather{.y = r.output,
                                   .x = r.input,
                                   .root = r.root,
                                   .counts = r.counts,
                                   .how = r.how});
    case Kind::kAllGather:
      return function(comm::AllGather{
          .y = r.output, .x = r.input, .counts = r.counts, .how = r.how});
    case Kind::kReduceScatter:
      return function(comm::ReduceScatter{.y = r.output,
                                          .x = r.input,
                                          .reduction = r.reduction,
                                          .counts = r.counts,
                                          .how = r.how});
    case Kind::kAllToAll:
      return function(comm::AllToAll{.y = r.output,
                                     .x = r.input,
                                     .x_counts = r.counts,
                                     .y_counts = r.y_counts,
                                     .how = r.how});
    case Kind::kSend:
      return function(comm::Send{.x = r.input, .to = r.root, .tag = r.tag});
    case Kind::kRecv:
      return function(comm::Recv{.y = r.output, .from = r.root, .tag = r.tag});
    case Kind::kBarrier:
      break;
  }
  return function(comm::Barrier{});
}

// The state that the communicators of one rank share.
struct RankFaults {
  const FaultOptions& options;
  SeenReductions& seen;
  std::vector<std::vector<int>> own_stand_ins = {};  // this rank's, as ranks
  std::vector<std::unique_ptr<Communicator>> stand_ins = {};
  std::map<std::string, int> groups = {};  // made so far, by axis
};

class FaultyCommunicator final : public Communicator {
 public:
  // `members`: ranks of the world.
  FaultyCommunicator(Identity identity,
                     Communicator& inner,
                     std::unique_ptr<Communicator> owned,
                     std::vector<int> members,
                     std::shared_ptr<RankFaults> faults)
      : Communicator(std::move(identity)),
        inner_(inner),
        owned_(std::move(owned)),
        members_(std::move(members)),
        faults_(std::move(faults)),
        name_(fmt::format("{} {}", axis(), faults_->groups[axis()]++)) {}

  static std::unique_ptr<Communicator> make(
      Communicator& inner,
      std::unique_ptr<Communicator> owned,
      std::vector<int> members,
      std::shared_ptr<RankFaults> faults) {
    return std::make_unique<FaultyCommunicator>(
        Identity{.rank = inner.rank(),
                 .size = inner.size(),
                 .axis = inner.axis(),
                 .options = inner.options()},
        inner,
        std::move(owned),
        std::move(members),
        std::move(faults));
  }

  const char* back_end() const override { return inner_.back_end(); }
  bool is_one_process() const override { return inner_.is_one_process(); }
  void abandon(const std::string& message) override { inner_.abandon(message); }

  std::unique_ptr<Communicator> split(int /*color*/,
                                      int /*key*/,
                                      const std::string& wanted) override {
    throw Error(
        "no trainer splits by color; a faulty communicator would "
        "have to know who is in {}",
        wanted);
  }
  std::unique_ptr<Communicator> subgroup(std::span<const int> ranks,
                                         const std::string& wanted) override {
    return wrap(inner_.subgroup(ranks, wanted), ranks);
  }
  std::unique_ptr<Communicator> own_group(std::span<const int> ranks,
                                          const std::string& wanted) override {
    return wrap(inner_.own_group(ranks, wanted), ranks);
  }

 protected:
  bool supports_request(const Request& request) const override {
    return with_op(request,
                   [&](const auto& op) { return inner_.supports(op); });
  }

  void execute(Stream& stream, const Request& request) override {
    if (!is_faulty(request)) {
      return with_op(request, [&](const auto& op) { inner_.run(stream, op); });
    }
    fail(stream, request);
  }

  comm::Work begin(Stream& after, const Request& request) override {
    if (!is_faulty(request)) {
      return with_op(request,
                     [&](const auto& op) { return inner_.start(after, op); });
    }
    fail(after, request);
    return {};
  }

  comm::Work begin_messages(Stream& after,
                            std::span<const Request> messages) override {
    std::vector<comm::Message> ops;
    std::optional<Request> faulty;
    for (const Request& request : messages) {
      if (is_faulty(request)) {
        faulty = request;
      }
      if (request.kind == Kind::kSend) {
        ops.emplace_back(comm::Send{
            .x = request.input, .to = request.root, .tag = request.tag});
      } else {
        ops.emplace_back(comm::Recv{
            .y = request.output, .from = request.root, .tag = request.tag});
      }
    }
    comm::Work work = inner_.start_messages(after, ops);
    if (!faulty) {
      return work;
    }
    work.wait(after);
    fail_received(after, *faulty);
    return {};
  }

  std::unique_ptr<Communicator> make_subgroup(std::span<const int> /*members*/,
                                              Identity identity) override {
    throw Error("own_group() and subgroup() make {}", identity.axis);
  }

 private:
  std::unique_ptr<Communicator> wrap(std::unique_ptr<Communicator> made,
                                     std::span<const int> ranks) {
    if (made == nullptr) {
      return nullptr;
    }
    std::vector<int> members;
    for (const int rank : ranks) {
      members.push_back(members_[static_cast<std::size_t>(rank)]);
    }
    Communicator& inner = *made;
    return make(inner, std::move(made), std::move(members), faults_);
  }

  // One that is of other ranks than this, by its number.
  std::optional<std::size_t> stand_in_number() const {
    std::vector<int> own = members_;
    std::sort(own.begin(), own.end());
    for (std::size_t i = 0; i < faults_->stand_ins.size(); ++i) {
      if (faults_->own_stand_ins[i] != own) {
        return i;
      }
    }
    return std::nullopt;
  }
  Communicator& stand_in() const {
    return *faults_->stand_ins[stand_in_number().value()];
  }

  // Counts it.
  bool is_faulty(const Request& request) {
    if (size() == 1 || !is_reduction(axis(), request)) {
      return false;
    }
    const std::string what = describe(request);
    const ReductionSite site = {
        .group = name_, .what = what, .number = reductions_[what]++};
    const auto other = stand_in_number();
    faults_->seen[site] = {
        .reduction = request.reduction,
        .others = other ? faults_->own_stand_ins[*other] : std::vector<int>()};
    return faults_->options.site == site;
  }

  void fail(Stream& stream, const Request& request) {
    switch (faults_->options.fault) {
      case Fault::kLeftOut:
        return leave_out(request);
      case Fault::kTwice:
        return reduce_twice(stream, request);
      case Fault::kOverAnotherGroup:
        return reduce_over(stream, stand_in(), request);
    }
  }

  void leave_out(const Request& request) {
    if (request.kind == Kind::kAllReduce) {
      return copy(request.output, request.input);
    }
    place_part(request, request.input);
  }

  void reduce_twice(Stream& stream, const Request& request) {
    with_op(request, [&](const auto& op) { inner_.run(stream, op); });
    if (request.kind == Kind::kAllReduce) {
      inner_.run(stream,
                 comm::AllReduce{.y = request.output,
                                 .x = request.output,
                                 .reduction = request.reduction,
                                 .how = request.how});
    } else {
      double_elements(request.output);
    }
  }

  static void all_reduce(Stream& stream,
                         Communicator& ranks,
                         Tensor y,
                         const Request& request) {
    ranks.run(
        stream,
        comm::AllReduce{
            .y = y, .x = flat(request.input), .reduction = request.reduction});
  }

  void reduce_over(Stream& stream,
                   Communicator& ranks,
                   const Request& request) {
    if (request.kind == Kind::kAllReduce) {
      return all_reduce(stream, ranks, flat(request.output), request);
    }
    Scratch sum(request.input.elements(), request.dtype());
    all_reduce(stream, ranks, sum.tensor(), request);
    place_part(request, sum.tensor());
  }

  // This rank's part of a whole, as the result; of an exchange, as that which
  // came from itself, with nothing from the others.
  void place_part(const Request& request, ConstTensor whole) {
    if (request.kind == Kind::kReduceScatter) {
      return copy(request.output, part_of(whole, request.counts, rank()));
    }
    clear(request.output);
    copy(part_of(request.output, request.y_counts, rank()),
         part_of(whole, request.counts, rank()));
  }

  // The received tensor is a summand.
  void fail_received(Stream& stream, const Request& request) {
    switch (faults_->options.fault) {
      case Fault::kLeftOut:
        return clear(request.output);
      case Fault::kTwice:
        return double_elements(request.output);
      case Fault::kOverAnotherGroup:
        return stand_in().run(
            stream, comm::AllReduce{.y = request.output, .x = request.output});
    }
  }

  Communicator& inner_;
  std::unique_ptr<Communicator> owned_;  // inner_, but for the world's
  std::vector<int> members_;
  std::shared_ptr<RankFaults> faults_;
  std::string name_;
  std::map<std::string, int> reductions_ = {};  // so far, by kind
};

}  // namespace

const char* name_of(Fault fault) {
  constexpr const char* kNames[] = {
      "left out", "done twice", "done over another group"};
  return kNames[static_cast<std::size_t>(fault)];
}

std::string text(const ReductionSite& site) {
  return fmt::format(
      "{} on group \"{}\", number {}", site.what, site.group, site.number);
}

std::unique_ptr<Communicator> make_faulty(Communicator& world,
                                          const FaultOptions& options,
                                          SeenReductions& seen) {
  auto faults = std::make_shared<RankFaults>(
      RankFaults{.options = options, .seen = seen});
  for (const std::vector<std::vector<int>>& groups : options.stand_ins) {
    const auto own = std::find_if(
        groups.begin(), groups.end(), [&](const std::vector<int>& group) {
          return std::find(group.begin(), group.end(), world.rank()) !=
                 group.end();
        });
    faults->own_stand_ins.push_back(*own);
    faults->stand_ins.push_back(comm::my_group(world, groups, "stand-in"));
  }
  std::vector<int> all(static_cast<std::size_t>(world.size()));
  std::iota(all.begin(), all.end(), 0);
  return FaultyCommunicator::make(
      world, nullptr, std::move(all), std::move(faults));
}

}  // namespace dure
