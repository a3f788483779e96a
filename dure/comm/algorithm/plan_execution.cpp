#include "dure/comm/algorithm/plan_execution.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/algorithm/reduce.h"

namespace dure::comm {
namespace {

std::span<const std::byte> bytes_of(const ConstTensor& tensor) {
  return {static_cast<const std::byte*>(tensor.bytes()), tensor.size_bytes()};
}

std::span<std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.bytes()), tensor.size_bytes()};
}

void copy(const Tensor& y, const ConstTensor& x) {
  if (y.bytes() != x.bytes() && x.elements() > 0) {
    convert(y, x);
  }
}

// Elements [first, first + count).
Tensor stretch(const Tensor& x, std::int64_t first, std::int64_t count) {
  return x.rows(first, count);
}

Reduction step_of(Reduction reduction) {
  return reduction == Reduction::kAverage ? Reduction::kSum : reduction;
}

// sum = sum op x, in f32, for a 16-bit x.
void reduce_half(const Tensor& sum, const Tensor& x, Reduction reduction) {
  constexpr std::int64_t kBlock = 2048;
  alignas(64) std::array<float, kBlock> block;
  for (std::int64_t first = 0; first < x.elements(); first += kBlock) {
    const std::int64_t count = std::min(kBlock, x.elements() - first);
    const Tensor wide(block.data(), Shape{count});
    convert(wide, stretch(x, first, count));
    reduce_into(stretch(sum, first, count), wide, reduction);
  }
}

bool gets_own_part(Kind kind) {
  return kind == Kind::kScatter || kind == Kind::kReduceScatter;
}

}  // namespace

PlanExecution::PlanExecution(Plan plan,
                             const Request& request,
                             Transport& transport,
                             int tag)
    : plan_(std::move(plan)),
      request_(request),
      transport_(transport),
      tag_(tag),
      memory_(plan_, request_),
      states_(static_cast<std::size_t>(plan_.pieces), State::kNowhere) {}

void PlanExecution::set_scratch(std::span<std::byte> scratch) {
  DURE_CHECK(scratch.size() >= scratch_bytes(),
             "{} needs {} bytes of scratch memory, got {}",
             describe(request_),
             scratch_bytes(),
             scratch.size());
  memory_.set_scratch(scratch);
}

bool PlanExecution::advance() {
  if (!begun_) {
    begin();
  }
  while (!done_) {
    if (round_end_ == next_ && next_ < plan_.steps.size()) {
      post_round();
    }
    if (!all_arrived()) {
      return false;
    }
    end_round();
  }
  return true;
}

void PlanExecution::begin() {
  begun_ = true;
  memory_.save_input();
  const bool at_root = plan_.of.rank == plan_.of.root;
  switch (plan_.of.kind) {
    case Kind::kBroadcast:
    case Kind::kScatter:
      std::fill(states_.begin(),
                states_.end(),
                at_root ? State::kGiven : State::kNowhere);
      break;
    case Kind::kGather:
    case Kind::kAllGather:
      state(plan_.of.rank) = State::kGiven;
      break;
    default:
      std::fill(states_.begin(), states_.end(), State::kGiven);
  }
}

// Posts receives first, so that arriving messages find their place.
void PlanExecution::post_round() {
  const auto first = plan_.steps.begin() + static_cast<std::ptrdiff_t>(next_);
  const auto last =
      std::find_if(first, plan_.steps.end(), [&](const Step& step) {
        return step.round != first->round;
      });
  for (const bool sends : {false, true}) {
    std::for_each(first, last, [&](const Step& step) {
      if ((step.transfer == Transfer::kSend) == sends) {
        post(step);
      }
    });
  }
  round_end_ = static_cast<std::size_t>(last - plan_.steps.begin());
}

// Empty messages are not sent, except for a barrier.
bool PlanExecution::is_empty(const ConstTensor& message) const {
  return message.elements() == 0 && plan_.of.kind != Kind::kBarrier;
}

void PlanExecution::post(const Step& step) {
  if (step.transfer == Transfer::kSend) {
    const ConstTensor message = to_send(step);
    if (!is_empty(message)) {
      tickets_.push_back(transport_.send(step.peer, tag_, bytes_of(message)));
    }
    return;
  }
  Tensor message;
  if (step.transfer == Transfer::kReduce) {
    message = memory_.arrival(memory_.elements(step.pieces),
                              step.payload == Payload::kPartial
                                  ? memory_.partial_type()
                                  : request_.dtype(),
                              arrivals_bytes_);
    assert(arrivals_.empty() || arriving_ == step.pieces);
    arriving_ = step.pieces;
    arrivals_.push_back({step.peer, message});
  } else {
    message = plan_.of.kind == Kind::kAllToAll ? memory_.from_peer(step.peer)
                                               : memory_.place(step.pieces);
  }
  if (!is_empty(message)) {
    tickets_.push_back(transport_.receive(step.peer, tag_, bytes_of(message)));
  }
}

ConstTensor PlanExecution::to_send(const Step& step) {
  if (step.payload == Payload::kPartial) {
    return memory_.sum(step.pieces);
  }
  const auto first = states_.begin() + step.pieces.first;
  const bool given = std::all_of(first,
                                 first + step.pieces.count(),
                                 [](State s) { return s == State::kGiven; });
  if (given) {
    return memory_.given(step.pieces);
  }
  for (int p = step.pieces.first; p < step.pieces.last; ++p) {
    place(p);
  }
  return memory_.place(step.pieces);
}

bool PlanExecution::all_arrived() {
  std::erase_if(tickets_, [&](Transport::Ticket ticket) {
    return transport_.test(ticket);
  });
  return tickets_.empty();
}

void PlanExecution::end_round() {
  for (std::size_t i = next_; i < round_end_; ++i) {
    const Step& step = plan_.steps[i];
    // all_to_all receives into y what does not belong to x.
    if (step.transfer == Transfer::kReceive &&
        plan_.of.kind != Kind::kAllToAll) {
      for (int p = step.pieces.first; p < step.pieces.last; ++p) {
        state(p) = State::kPlaced;
      }
    }
  }
  if (!arrivals_.empty()) {
    reduce_arrivals();
  }
  next_ = round_end_;
  if (next_ == plan_.steps.size()) {
    finish();
  }
}

void PlanExecution::reduce_arrivals() {
  std::sort(arrivals_.begin(),
            arrivals_.end(),
            [](const Arrival& a, const Arrival& b) { return a.peer < b.peer; });
  for (int p = arriving_.first; p < arriving_.last; ++p) {
    memory_.is_wide() ? reduce_wide(p) : reduce_here(p);
  }
  arrivals_.clear();
  arrivals_bytes_ = 0;
}

// Reduces the rank's own data and what came, in the order of the ranks.
void PlanExecution::reduce_here(int piece) {
  const Pieces one = {piece, piece + 1};
  const std::int64_t first = memory_.elements({arriving_.first, piece});
  const std::int64_t count = memory_.elements(one);
  const Tensor y = memory_.sum(one);
  std::vector<ConstTensor> xs;
  for (const Arrival& arrival : arrivals_) {
    xs.push_back(stretch(arrival.data, first, count));
  }
  const auto before_us = std::count_if(
      arrivals_.begin(), arrivals_.end(), [&](const Arrival& arrival) {
        return arrival.peer < plan_.of.rank;
      });
  xs.insert(
      xs.begin() + before_us,
      state(piece) == State::kGiven ? memory_.given(one) : ConstTensor(y));
  // All summands are there at once, so 16-bit floats are rounded once.
  const bool all = std::ssize(xs) == plan_.of.ranks;
  reduce_all({&y, 1},
             xs,
             all ? request_.reduction : step_of(request_.reduction),
             {0, count});
  state(piece) = all ? State::kPlaced : State::kSummed;
}

// Does this in f32, one summand after another: two give the same in any order.
void PlanExecution::reduce_wide(int piece) {
  const Pieces one = {piece, piece + 1};
  const std::int64_t first = memory_.elements({arriving_.first, piece});
  const Tensor sum = memory_.sum(one);
  if (state(piece) == State::kGiven) {
    convert(sum, memory_.given(one));
  }
  for (const Arrival& arrival : arrivals_) {
    const Tensor x = stretch(arrival.data, first, sum.elements());
    if (x.dtype() == DType::kF32) {
      reduce_into(sum, x, step_of(request_.reduction));
    } else {
      reduce_half(sum, x, step_of(request_.reduction));
    }
  }
  state(piece) = State::kSummed;
}

void PlanExecution::place(int piece) {
  if (state(piece) != State::kPlaced) {
    move_to(piece, memory_.place({piece, piece + 1}));
    state(piece) = State::kPlaced;
  }
}

// Places a piece as data; of a sum, the total.
void PlanExecution::move_to(int piece, const Tensor& y) {
  const Pieces one = {piece, piece + 1};
  switch (state(piece)) {
    case State::kGiven:
      return copy(y, memory_.given(one));
    case State::kSummed: {
      const Tensor sum = memory_.sum(one);
      if (request_.reduction == Reduction::kAverage) {
        divide(sum, plan_.of.ranks);
      }
      return copy(y, sum);
    }
    case State::kPlaced:
      return copy(y, memory_.place(one));
    case State::kNowhere:
      assert(false);  // the plan should have brought it
  }
}

void PlanExecution::finish() {
  const PlanKey& of = plan_.of;
  const bool rooted = of.kind == Kind::kReduce || of.kind == Kind::kGather;
  done_ = true;
  if (of.kind == Kind::kAllToAll) {
    const Pieces own = {of.rank, of.rank + 1};
    return copy(memory_.from_peer(of.rank), memory_.given(own));
  }
  if (of.kind == Kind::kBarrier || (rooted && of.rank != of.root)) {
    return;
  }
  const Pieces wanted = gets_own_part(of.kind) ? Pieces{of.rank, of.rank + 1}
                                               : Pieces{0, plan_.pieces};
  for (int p = wanted.first; p < wanted.last; ++p) {
    move_to(p, memory_.in_output({p, p + 1}));
  }
}

}  // namespace dure::comm
