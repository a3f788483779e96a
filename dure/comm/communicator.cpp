#include "dure/comm/communicator.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "dure/comm/error.h"

namespace dure::comm {
namespace {

std::uint64_t bytes_of(const Request& request) {
  return std::max(request.input.size_bytes(), request.output.size_bytes());
}

}  // namespace

Communicator::Communicator(Identity identity)
    : rank_(identity.rank),
      size_(identity.size),
      axis_(std::move(identity.axis)),
      options_(std::move(identity.options)),
      ledger_(std::move(identity.ledger)),
      order_(axis_) {}

Communicator::Identity Communicator::identity_of(
    int rank, int size, const std::string& axis) const {
  return {.rank = rank,
          .size = size,
          .axis = axis,
          .options = options_,
          .ledger = ledger_};
}

void Communicator::prepare(Request& request) {
  if (request.how.algorithm == Algorithm::kAutomatic) {
    request.how.algorithm = options_.how.algorithm;
  }
  if (options_.how.sums == SumOrder::kRanked) {
    request.how.sums = SumOrder::kRanked;
  }
  if (!supports_request(request)) {
    throw Unsupported("the {} back end has no {} by the algorithm {}",
                      back_end(),
                      describe(request),
                      name_of(request.how.algorithm));
  }
  ledger_->traffic->add(axis_, request.kind, bytes_of(request));
  request.sequence = ledger_->recorder->begin(axis_, request);
}

void Communicator::run_request(Stream& stream, Request request) {
  if (is_message(request.kind)) {
    return start_request(stream, std::move(request)).wait(stream);
  }
  const auto started = order_.start(stream, {&request, 1});
  prepare(request);
  try {
    const FlightRecorder::Waiting waiting(&recorder());
    execute(stream, request);
  } catch (...) {
    recorder().end(request.sequence, FlightRecorder::State::kFailed);
    throw;
  }
  recorder().end(request.sequence, FlightRecorder::State::kDone);
  started.end(stream);
}

Work Communicator::start_request(Stream& after, Request request) {
  const auto started = order_.start(after, {&request, 1});
  prepare(request);
  Work work = is_message(request.kind) ? begin_messages(after, {&request, 1})
                                       : begin(after, request);
  started.end(work);
  work.set_recorder(shared_recorder());
  return work;
}

Work Communicator::start_messages(Stream& after,
                                  std::span<const Message> messages) {
  std::vector<Request> requests;
  for (const Message& message : messages) {
    requests.push_back(std::visit(
        [this](const auto& op) { return request_of(op, rank_, size_); },
        message));
  }
  const auto started = order_.start(after, requests);
  for (Request& request : requests) {
    prepare(request);
  }
  Work work = begin_messages(after, requests);
  started.end(work);
  work.set_recorder(shared_recorder());
  return work;
}

std::unique_ptr<Communicator> Communicator::split(int color,
                                                  int key,
                                                  const std::string& axis) {
  struct Wish {
    std::int32_t color;
    std::int32_t key;
  };
  Wish mine = {color, key};
  std::vector<Wish> all(static_cast<std::size_t>(size_));
  const std::int64_t ranks = size_;
  Stream host = host_stream();
  run(host,
      AllGather{.y = Tensor(all.data(), {2 * ranks}, DType::kI32),
                .x = Tensor(&mine, {2}, DType::kI32)});
  std::vector<std::pair<int, int>> members;  // key, rank
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].color == color) {
      members.emplace_back(all[rank].key, static_cast<int>(rank));
    }
  }
  if (color < 0) {
    return nullptr;
  }
  std::sort(members.begin(), members.end());
  std::vector<int> in_order;
  for (const auto& [member_key, rank] : members) {
    in_order.push_back(rank);
  }
  const auto me = std::find(in_order.begin(), in_order.end(), rank_);
  return make_subgroup(in_order,
                       identity_of(static_cast<int>(me - in_order.begin()),
                                   static_cast<int>(in_order.size()),
                                   axis));
}

void Communicator::check_members(std::span<const int> ranks) const {
  std::vector<int> sorted(ranks.begin(), ranks.end());
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    DURE_CHECK(sorted[i] >= 0 && sorted[i] < size_ &&
                   (i == 0 || sorted[i] != sorted[i - 1]),
               "a subgroup names ranks of 0 to {} once each; {} came",
               size_ - 1,
               sorted[i]);
  }
}

std::unique_ptr<Communicator> Communicator::own_group(
    std::span<const int> ranks, const std::string& axis) {
  check_members(ranks);
  const auto me = std::find(ranks.begin(), ranks.end(), rank_);
  return me == ranks.end()
             ? split(-1, 0, axis)
             : split(*std::min_element(ranks.begin(), ranks.end()),
                     static_cast<int>(me - ranks.begin()),
                     axis);
}

std::unique_ptr<Communicator> Communicator::subgroup(std::span<const int> ranks,
                                                     const std::string& axis) {
  check_members(ranks);
  const auto me = std::find(ranks.begin(), ranks.end(), rank_);
  return me == ranks.end()
             ? split(-1, 0, axis)
             : split(0, static_cast<int>(me - ranks.begin()), axis);
}

}  // namespace dure::comm
