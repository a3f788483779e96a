#include "dure/kernels/update.h"

#include <algorithm>
#include <limits>
#include <string>

namespace dure::kernels {
namespace {

void check_master(const UpdateSpan& span) {
  const DType master = span.master.dtype();
  const DType weight = span.weight.dtype();
  DURE_CHECK(master == DType::kF32 || master == DType::kBf16,
             "a master is f32 or bf16, got {}",
             name_of(master));
  DURE_CHECK(is_f32_or_half(weight),
             "a weight is f32, bf16 or f16, got {}",
             name_of(weight));
  const bool is_one = span.weight.bytes() == span.master.bytes();
  DURE_CHECK(!is_one || weight == master,
             "a weight that is its own master has one type, got {} and {}",
             name_of(weight),
             name_of(master));
  DURE_CHECK(is_one || master == DType::kF32,
             "a master beside its weight is f32, got {}",
             name_of(master));
}

bool ascend_from_0(std::span<const ElementBlock> blocks) {
  const auto is_bad = [](const ElementBlock& a, const ElementBlock& b) {
    return a.begin >= b.begin;
  };
  return !blocks.empty() && blocks.front().begin == 0 &&
         std::ranges::adjacent_find(blocks, is_bad) == blocks.end() &&
         std::ranges::all_of(blocks, [](const ElementBlock& block) {
           return block.columns > 0;
         });
}

void check_rounding(const UpdateSpan& span, std::size_t states) {
  bool is_rounded = span.master.dtype() == DType::kBf16;
  for (std::size_t k = 0; k < states; ++k) {
    const DType state = span.states[k].dtype();
    DURE_CHECK(state == DType::kF32 || state == DType::kBf16,
               "state {} is f32 or bf16, got {}",
               k,
               name_of(state));
    is_rounded = is_rounded || state == DType::kBf16;
  }
  DURE_CHECK(!is_rounded || span.rounding.has_value(),
             "a bf16 master or state needs the random numbers of its rounding, "
             "got none");
  DURE_CHECK(!is_rounded || ascend_from_0(span.rounding->blocks),
             "wanted blocks of elements that ascend from 0, with columns, got "
             "{} others",
             span.rounding->blocks.size());
}

}  // namespace

ElementRun run_at(std::span<const ElementBlock> blocks, std::int64_t i) {
  const auto next = std::ranges::upper_bound(
      blocks, i, std::ranges::less(), &ElementBlock::begin);
  const ElementBlock& block = *(next - 1);
  const std::int64_t end = next == blocks.end()
                               ? std::numeric_limits<std::int64_t>::max()
                               : next->begin;
  const std::int64_t left =
      block.columns == block.stride
          ? end - i
          : block.columns - (i - block.begin) % block.columns;
  return {
      .local = i, .global = block.global(i), .length = std::min(left, end - i)};
}

// A second run gives a block its stride, if the first is its row. A run may be
// cut short only at the end: if another follows, that one begins a block.
void add_run(std::vector<ElementBlock>& blocks, ElementRun run) {
  if (!blocks.empty()) {
    ElementBlock& last = blocks.back();
    const std::int64_t rows = (run.local - last.begin) / last.columns;
    const bool is_row = (run.local - last.begin) % last.columns == 0 &&
                        run.length <= last.columns;
    if (is_row && rows == 1 && run.global > last.first) {
      last.stride = run.global - last.first;
    }
    if (is_row && last.global(run.local) == run.global) {
      return;
    }
  }
  blocks.push_back({.begin = run.local,
                    .first = run.global,
                    .columns = run.length,
                    .stride = run.length});
}

RandomStream rounding_stream(std::uint64_t seed, std::string_view weight) {
  return {seed, "rounding." + std::string(weight)};
}

void check_spans(std::span<const UpdateSpan> spans, std::size_t states) {
  for (const UpdateSpan& span : spans) {
    const auto [n] = span.master.dims<1>("master");
    span.weight.expect("weight", {n}, span.weight.dtype());
    span.gradient.expect("gradient", {n}, span.gradient.dtype());
    for (std::size_t k = 0; k < states; ++k) {
      span.states[k].expect("state", {n}, span.states[k].dtype());
    }
    check_master(span);
    DURE_CHECK(is_f32_or_half(span.gradient.dtype()),
               "a gradient is f32, bf16 or f16, got {}",
               name_of(span.gradient.dtype()));
    check_rounding(span, states);
    if (span.first_overflow) {
      span.first_overflow.expect("first_overflow", {1}, DType::kI64);
    }
  }
}

void check_control(ConstTensor control, std::int64_t rates) {
  control.expect("control", {kDecisions + rates}, DType::kF32);
}

double update_bytes(std::span<const UpdateSpan> spans, std::size_t states) {
  std::size_t bytes = 0;
  for (const UpdateSpan& span : spans) {
    bytes += span.gradient.size_bytes() + 2 * span.master.size_bytes();
    for (std::size_t k = 0; k < states; ++k) {
      bytes += 2 * span.states[k].size_bytes();
    }
  }
  return static_cast<double>(bytes) + weight_bytes(spans);
}

double weight_bytes(std::span<const UpdateSpan> spans) {
  std::size_t bytes = 0;
  for (const UpdateSpan& span : spans) {
    if (span.weight.bytes() != span.master.bytes()) {
      bytes += span.weight.size_bytes();
    }
  }
  return static_cast<double>(bytes);
}

double elements_of(std::span<const UpdateSpan> spans) {
  std::int64_t elements = 0;
  for (const UpdateSpan& span : spans) {
    elements += span.gradient.elements();
  }
  return static_cast<double>(elements);
}

}  // namespace dure::kernels
