#include "dure/comm/algorithm/plan_memory.h"

#include <algorithm>
#include <cassert>

#include "dure/base/arithmetic.h"
#include "dure/comm/algorithm/reduce.h"
#include "dure/comm/error.h"

namespace dure::comm {
namespace {

std::size_t aligned(std::size_t bytes) {
  return round_up(bytes, std::size_t{64});
}

Pieces hull_of(Pieces a, Pieces b) {
  if (a.count() == 0) {
    return b;
  }
  return {std::min(a.first, b.first), std::max(a.last, b.last)};
}

// Whether all ranks' summands are added at once, and so rounded once without a
// place in f32.
bool adds_all_at_once(Algorithm algorithm) {
  return algorithm == Algorithm::kRoot || algorithm == Algorithm::kAllToAll;
}

bool gives_own_part(Kind kind) {
  return kind == Kind::kGather || kind == Kind::kAllGather;
}

bool gets_own_part(Kind kind) {
  return kind == Kind::kScatter || kind == Kind::kReduceScatter;
}

Counts counts_of(const Plan& plan, const Request& request) {
  if (!has_parts(plan.of.kind)) {
    return even_counts(elements_of(request), plan.pieces);
  }
  if (!request.counts.empty()) {
    return request.counts;
  }
  for (const Step& step : plan.steps) {
    if (step.pieces != Pieces{plan.of.rank, plan.of.rank + 1}) {
      throw Unsupported(
          "{} by {} passes on what is others': every rank must "
          "give the counts, or take the algorithm root",
          name_of(plan.of.kind),
          name_of(plan.of.algorithm));
    }
  }
  Counts counts(static_cast<std::size_t>(plan.of.ranks), 0);
  counts[plan.of.rank] = elements_of(request);
  return counts;
}

Counts offsets_of(const Counts& counts) {
  Counts offsets(1, 0);
  for (const std::int64_t count : counts) {
    offsets.push_back(offsets.back() + count);
  }
  return offsets;
}

std::int64_t at(const Counts& offsets, int piece) {
  return offsets[piece];
}

std::byte* byte_at(const ConstTensor& tensor, std::int64_t element) {
  auto* bytes =
      static_cast<std::byte*>(const_cast<void*>(tensor.bytes()));  // a view
  return bytes == nullptr
             ? nullptr
             : bytes +
                   element * static_cast<std::int64_t>(size_of(tensor.dtype()));
}

}  // namespace

PlanMemory::PlanMemory(const Plan& plan, const Request& request)
    : request_(request),
      kind_(plan.of.kind),
      own_{plan.of.rank, plan.of.rank + 1},
      dtype_(request.dtype()),
      offsets_(offsets_of(counts_of(plan, request))),
      y_offsets_(offsets_of(request.y_counts)),
      input_(request.input) {
  const bool rounds = request.reduction == Reduction::kSum ||
                      request.reduction == Reduction::kAverage ||
                      request.reduction == Reduction::kProduct;
  wide_ = is_half(dtype_) && rounds && !adds_all_at_once(plan.of.algorithm);
  find_places(plan);
  lay_out(plan);
}

void PlanMemory::find_places(const Plan& plan) {
  if (kind_ == Kind::kAllToAll) {
    return;
  }
  for (const Step& step : plan.steps) {
    if (step.transfer != Transfer::kSend) {
      places_ = hull_of(places_, step.pieces);
    }
    if (step.transfer == Transfer::kReduce && wide_) {
      sums_ = hull_of(sums_, step.pieces);
    }
  }
  // A rank's own part is sent together with the parts that came.
  if (places_.count() > 0 && gives_own_part(kind_)) {
    places_ = hull_of(places_, own_);
  }
  if (kind_ == Kind::kBroadcast) {
    places_ = {0, plan.pieces};
  }
  const bool whole_output =
      !gets_own_part(kind_) && request_.output.elements() == offsets_.back();
  home_ = whole_output || (gets_own_part(kind_) && places_ == own_)
              ? Home::kOutput
              : Home::kScratch;
}

void PlanMemory::lay_out(const Plan& plan) {
  if (kind_ == Kind::kAllToAll) {
    const bool in_place = request_.input.bytes() == request_.output.bytes();
    scratch_bytes_ = in_place ? request_.input.size_bytes() : 0;
    return;
  }
  if (home_ == Home::kScratch) {
    sums_at_ = aligned(bytes_of(places_, dtype_));
  }
  arrivals_at_ = sums_at_ + aligned(bytes_of(sums_, DType::kF32));
  scratch_bytes_ = arrivals_at_ + arrival_bytes(plan);
}

std::size_t PlanMemory::arrival_bytes(const Plan& plan) const {
  std::size_t most = 0;
  std::size_t bytes = 0;
  int round = -1;
  for (const Step& step : plan.steps) {
    if (step.round != round) {
      round = step.round;
      bytes = 0;
    }
    if (step.transfer == Transfer::kReduce) {
      bytes += aligned(bytes_of(
          step.pieces,
          step.payload == Payload::kPartial ? partial_type() : dtype_));
      most = std::max(most, bytes);
    }
  }
  return most;
}

std::int64_t PlanMemory::elements(Pieces pieces) const {
  return at(offsets_, pieces.last) - at(offsets_, pieces.first);
}

std::size_t PlanMemory::bytes_of(Pieces pieces, DType dtype) const {
  return static_cast<std::size_t>(elements(pieces)) * size_of(dtype);
}

ConstTensor PlanMemory::given(Pieces pieces) const {
  const std::int64_t base =
      gives_own_part(kind_) ? at(offsets_, own_.first) : 0;
  return {byte_at(input_, at(offsets_, pieces.first) - base),
          Shape{elements(pieces)},
          dtype_};
}

Tensor PlanMemory::in_output(Pieces pieces) const {
  const std::int64_t base = gets_own_part(kind_) ? at(offsets_, own_.first) : 0;
  return {byte_at(request_.output, at(offsets_, pieces.first) - base),
          Shape{elements(pieces)},
          dtype_};
}

bool PlanMemory::has_place(Pieces pieces) const {
  return places_.first <= pieces.first && pieces.last <= places_.last;
}

Tensor PlanMemory::place(Pieces pieces) const {
  assert(has_place(pieces));
  return home_ == Home::kOutput ? in_output(pieces)
                                : scratch_at(0, places_, pieces, dtype_);
}

Tensor PlanMemory::sum(Pieces pieces) const {
  return wide_ ? scratch_at(sums_at_, sums_, pieces, DType::kF32)
               : place(pieces);
}

Tensor PlanMemory::scratch_at(std::size_t offset,
                              Pieces hull,
                              Pieces pieces,
                              DType dtype) const {
  const std::size_t before = bytes_of({hull.first, pieces.first}, dtype);
  return {scratch_.data() + offset + before, Shape{elements(pieces)}, dtype};
}

Tensor PlanMemory::from_peer(int peer) const {
  const std::int64_t first = at(y_offsets_, peer);
  return {byte_at(request_.output, first),
          Shape{at(y_offsets_, peer + 1) - first},
          dtype_};
}

Tensor PlanMemory::arrival(std::int64_t elements,
                           DType dtype,
                           std::size_t& offset) const {
  Tensor tensor(
      scratch_.data() + arrivals_at_ + offset, Shape{elements}, dtype);
  offset += aligned(tensor.size_bytes());
  return tensor;
}

void PlanMemory::save_input() {
  if (kind_ == Kind::kAllToAll && scratch_bytes_ > 0) {
    const Tensor saved(scratch_.data(), Shape{input_.elements()}, dtype_);
    convert(saved, input_);
    input_ = saved;
  }
}

}  // namespace dure::comm
