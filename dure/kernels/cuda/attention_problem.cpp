#include "dure/kernels/cuda/attention_problem.h"

#include <algorithm>
#include <limits>

#include "dure/kernels/attention_check.h"

namespace dure::kernels {
namespace {

// cuDNN asks this of the address of an operand, and of its rows [cuDNN
// documentation, attention, limitations].
constexpr std::int64_t kAlignment = 16;

HeadSteps steps_of(const HeadLayout& at) {
  return {.sample = at.sample_step, .head = at.head_step, .row = at.row_step};
}

bool is_aligned(const ConstHeads& heads) {
  const std::int64_t bytes = size_of(heads.tensor.dtype());
  const HeadLayout& at = heads.at;
  const auto address = reinterpret_cast<std::uintptr_t>(heads.tensor.bytes()) +
                       static_cast<std::uintptr_t>(at.first * bytes);
  const auto is_multiple = [&](std::int64_t step) {
    return step * bytes % kAlignment == 0;
  };
  return address % kAlignment == 0 && is_multiple(at.sample_step) &&
         is_multiple(at.head_step) && is_multiple(at.row_step);
}

bool is_plain(const AttentionPattern& pattern) {
  return pattern.offset.value == 0 && !pattern.offset.each &&
         pattern.prefix.value == 0 && !pattern.prefix.each &&
         pattern.layout.side == 0 && !pattern.documents && !pattern.key_lengths;
}

bool may_be_known(const AttentionInputs& in, const DropoutMask& mask) {
  const HeadLayout& q = in.q.at;
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  return is_half(in.q.tensor.dtype()) && mask.rate == 0 &&
         !in.bias.is_there() && is_plain(in.pattern) && q.elements() > 0 &&
         in.k.at.rows > 0 && q.rows <= kMost && in.k.at.rows <= kMost &&
         is_aligned(in.q) && is_aligned(in.k) && is_aligned(in.v);
}

// A window that reaches every key hides none.
std::int64_t window_of(const AttentionInputs& in) {
  const std::int64_t longest = std::max(in.q.at.rows, in.k.at.rows);
  return in.pattern.window >= longest ? 0 : in.pattern.window;
}

AttentionProblem problem_of(AttentionPass pass,
                            const AttentionInputs& in,
                            const ConstHeads& y) {
  return {.pass = pass,
          .dtype = in.q.tensor.dtype(),
          .samples = in.q.at.samples,
          .queries = in.q.at.rows,
          .keys = in.k.at.rows,
          .heads = in.q.at.heads,
          .kv_heads = in.k.at.heads,
          .head_dim = in.q.at.head_dim,
          .q = steps_of(in.q.at),
          .k = steps_of(in.k.at),
          .v = steps_of(in.v.at),
          .y = steps_of(y.at),
          .order = in.pattern.order,
          .window = window_of(in),
          .scale = in.scale};
}

// The largest divisor that is at most half of `count`, which is more than 1.
std::int64_t next_part(std::int64_t count, std::int64_t whole) {
  std::int64_t part = count / 2;
  while (whole % part != 0) {
    --part;
  }
  return part;
}

}  // namespace

std::optional<AttentionProblem> problem_of(const Attention& op) {
  const ConstHeads y = heads_of_rows(op.y, output_columns(op.in.q.at));
  if (!may_be_known(op.in, op.mask) || !is_aligned(y)) {
    return std::nullopt;
  }
  return problem_of(AttentionPass::kForward, op.in, y);
}

std::optional<AttentionProblem> problem_of(const AttentionBackward& op) {
  const HeadColumns columns = output_columns(op.in.q.at);
  const ConstHeads y = heads_of_rows(op.y, columns);
  const ConstHeads d_y = heads_of_rows(op.d_y, columns);
  if (!may_be_known(op.in, op.mask) || !is_aligned(y) || !is_aligned(d_y) ||
      !is_aligned(op.d_q) || !is_aligned(op.d_k) || !is_aligned(op.d_v)) {
    return std::nullopt;
  }
  AttentionProblem problem = problem_of(AttentionPass::kBackward, op.in, y);
  problem.d_q = steps_of(op.d_q.at);
  problem.d_k = steps_of(op.d_k.at);
  problem.d_v = steps_of(op.d_v.at);
  return problem;
}

std::vector<AttentionSlice> slices_of(const AttentionProblem& problem) {
  AttentionSlice slice = {problem.samples, problem.kv_heads};
  std::vector<AttentionSlice> slices = {slice};
  while (slice.samples > 1) {
    slice.samples = next_part(slice.samples, problem.samples);
    slices.push_back(slice);
  }
  while (slice.kv_heads > 1) {
    slice.kv_heads = next_part(slice.kv_heads, problem.kv_heads);
    slices.push_back(slice);
  }
  return slices;
}

AttentionProblem part_of(const AttentionProblem& problem,
                         const AttentionSlice& slice) {
  AttentionProblem part = problem;
  part.samples = slice.samples;
  part.heads = problem.heads / problem.kv_heads * slice.kv_heads;
  part.kv_heads = slice.kv_heads;
  return part;
}

}  // namespace dure::kernels
