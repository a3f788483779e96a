// What the tests of attention share: the formulas of attention.h in double,
// written the obvious way, and operands for the operations.
#pragma once

#include <cmath>
#include <vector>

#include "dure/base/limits.h"
#include "dure/kernels/attention.h"
#include "dure/kernels/dropout_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {

// As many as tests use: three, or one a core.
inline const int kScratchThreads = std::max(3, usable_processors());

// A case: dropout where mask.rate is not 0.
struct AttentionCase {
  AttentionShape shape;
  DropoutMask mask;

  double scale() const {
    return 1 / std::sqrt(static_cast<double>(shape.head_dim));
  }
  // Whether the pair stays, times 1 / (1 - rate).
  double keep(std::int64_t b,
              std::int64_t h,
              std::int64_t i,
              std::int64_t j) const {
    if (mask.rate == 0) {
      return 1;
    }
    const auto S = static_cast<std::uint64_t>(shape.sequence);
    const std::uint64_t sequence =
        mask.first_index() + static_cast<std::uint64_t>(b);
    const std::uint64_t row =
        sequence * static_cast<std::uint64_t>(shape.heads) +
        static_cast<std::uint64_t>(h);
    const std::uint64_t index = (row * S + static_cast<std::uint64_t>(i)) * S +
                                static_cast<std::uint64_t>(j);
    return mask.stream.uniform(index) >= mask.rate ? 1 / (1 - double{mask.rate})
                                                   : 0;
  }
};

// Where element (b, s, slot, d) lies among rows of `slots` heads.
struct HeadIndex {
  AttentionShape shape;
  std::int64_t slots;

  std::size_t operator()(std::int64_t b,
                         std::int64_t s,
                         std::int64_t slot,
                         std::int64_t d) const {
    const std::int64_t row = b * shape.sequence + s;
    return static_cast<std::size_t>((row * slots + slot) * shape.head_dim + d);
  }
};

// One head of one sequence: y, lse and, where d_y is given, the gradient.
class HeadReference {
 public:
  HeadReference(const AttentionCase& of,
                const Doubles& qkv,
                std::int64_t b,
                std::int64_t h)
      : of_(of),
        qkv_(qkv),
        b_(b),
        h_(h),
        in_{of.shape, of.shape.heads + 2 * of.shape.kv_heads},
        out_{of.shape, of.shape.heads},
        k_(of.shape.heads + h / (of.shape.heads / of.shape.kv_heads)),
        v_(k_ + of.shape.kv_heads) {}

  double score(std::int64_t i, std::int64_t j) const {
    double sum = 0;
    for (std::int64_t d = 0; d < of_.shape.head_dim; ++d) {
      sum += qkv_[in_(b_, i, h_, d)] * qkv_[in_(b_, j, k_, d)];
    }
    return of_.scale() * sum;
  }

  double lse(std::int64_t i) const {
    double sum = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      sum += std::exp(score(i, j));
    }
    return std::log(sum);
  }

  void forward(Doubles& y, Doubles& lse_out) const {
    const AttentionShape& shape = of_.shape;
    for (std::int64_t i = 0; i < shape.sequence; ++i) {
      const double total = lse(i);
      lse_out[static_cast<std::size_t>((b_ * shape.sequence + i) * shape.heads +
                                       h_)] = total;
      for (std::int64_t j = 0; j <= i; ++j) {
        const double p = std::exp(score(i, j) - total) * of_.keep(b_, h_, i, j);
        for (std::int64_t d = 0; d < shape.head_dim; ++d) {
          y[out_(b_, i, h_, d)] += p * qkv_[in_(b_, j, v_, d)];
        }
      }
    }
  }

  // Adds to the gradients.
  void backward(Doubles& d_qkv, const Doubles& d_y) const {
    for (std::int64_t i = 0; i < of_.shape.sequence; ++i) {
      backward_row(d_qkv, d_y, i);
    }
  }

 private:
  void backward_row(Doubles& d_qkv, const Doubles& d_y, std::int64_t i) const {
    const double total = lse(i);
    Doubles p(static_cast<std::size_t>(i + 1));
    Doubles d_p(p.size());
    double mean = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const double keep = of_.keep(b_, h_, i, j);
      p[at] = std::exp(score(i, j) - total);
      for (std::int64_t d = 0; d < of_.shape.head_dim; ++d) {
        const double d_out = d_y[out_(b_, i, h_, d)];
        d_p[at] += keep * d_out * qkv_[in_(b_, j, v_, d)];
        d_qkv[in_(b_, j, v_, d)] += keep * p[at] * d_out;
      }
      mean += p[at] * d_p[at];
    }
    for (std::int64_t j = 0; j <= i; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const double d_score = p[at] * (d_p[at] - mean) * of_.scale();
      for (std::int64_t d = 0; d < of_.shape.head_dim; ++d) {
        d_qkv[in_(b_, i, h_, d)] += d_score * qkv_[in_(b_, j, k_, d)];
        d_qkv[in_(b_, j, k_, d)] += d_score * qkv_[in_(b_, i, h_, d)];
      }
    }
  }

  const AttentionCase& of_;
  const Doubles& qkv_;
  std::int64_t b_;
  std::int64_t h_;
  HeadIndex in_;
  HeadIndex out_;
  std::int64_t k_;
  std::int64_t v_;
};

struct AttentionOutputs {
  Doubles y;
  Doubles lse;
};

inline AttentionOutputs reference_forward(const AttentionCase& of,
                                          const Doubles& qkv) {
  const AttentionShape& shape = of.shape;
  const auto rows = static_cast<std::size_t>(shape.rows() * shape.heads);
  AttentionOutputs out{Doubles(rows * static_cast<std::size_t>(shape.head_dim)),
                       Doubles(rows)};
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      HeadReference(of, qkv, b, h).forward(out.y, out.lse);
    }
  }
  return out;
}

// The heads of part `part` of `parts` of what rows of qkv, or of d_qkv, hold:
// its heads of q, of k and of v.
inline Values part_of_qkv(const Values& qkv,
                          const AttentionShape& whole,
                          std::int64_t part,
                          std::int64_t parts) {
  Values result;
  for (std::int64_t row = 0; row < whole.rows(); ++row) {
    auto from = qkv.begin() + row * whole.qkv_columns();
    for (const std::int64_t heads :
         {whole.heads, whole.kv_heads, whole.kv_heads}) {
      const std::int64_t columns = heads / parts * whole.head_dim;
      result.insert(
          result.end(), from + part * columns, from + (part + 1) * columns);
      from += heads * whole.head_dim;
    }
  }
  return result;
}

// Likewise of y, or of d_y.
inline Values part_of_heads(const Values& y,
                            const AttentionShape& whole,
                            std::int64_t part,
                            std::int64_t parts) {
  Values result;
  const std::int64_t columns = whole.heads / parts * whole.head_dim;
  for (std::int64_t row = 0; row < whole.rows(); ++row) {
    const auto from = y.begin() + (row * parts + part) * columns;
    result.insert(result.end(), from, from + columns);
  }
  return result;
}

inline Doubles reference_backward(const AttentionCase& of,
                                  const Doubles& qkv,
                                  const Doubles& d_y) {
  Doubles d_qkv(qkv.size());
  for (std::int64_t b = 0; b < of.shape.batch; ++b) {
    for (std::int64_t h = 0; h < of.shape.heads; ++h) {
      HeadReference(of, qkv, b, h).backward(d_qkv, d_y);
    }
  }
  return d_qkv;
}

// Operands of both directions. Outputs and scratch begin as NaN, so that what
// is read before it is written, or left unwritten, shows.
struct AttentionOperands {
  explicit AttentionOperands(const AttentionCase& example)
      : of(example),
        qkv(random_values(of.shape.rows() * of.shape.qkv_columns(), "qkv")),
        d_y(random_values(outputs(), "d_y")),
        y(nans(outputs())),
        lse(nans(of.shape.rows() * of.shape.heads)),
        d_qkv(nans(of.shape.rows() * of.shape.qkv_columns())),
        scratch(nans(attention_scratch(of.shape, kScratchThreads))) {}

  std::int64_t outputs() const {
    return of.shape.rows() * of.shape.heads * of.shape.head_dim;
  }
  static Values nans(std::int64_t count) {
    return Values(static_cast<std::size_t>(count), std::nanf(""));
  }

  Attention forward() {
    const AttentionShape& shape = of.shape;
    return {.y = tensor(y, {shape.rows(), shape.heads * shape.head_dim}),
            .lse = tensor(lse, {shape.rows(), shape.heads}),
            .qkv = tensor(qkv, {shape.rows(), shape.qkv_columns()}),
            .shape = shape,
            .scale = static_cast<float>(of.scale()),
            .mask = of.mask,
            .scratch =
                tensor(scratch, {attention_scratch(shape, kScratchThreads)})};
  }

  AttentionBackward backward() {
    const AttentionShape& shape = of.shape;
    const Shape output = {shape.rows(), shape.heads * shape.head_dim};
    return {.d_qkv = tensor(d_qkv, {shape.rows(), shape.qkv_columns()}),
            .d_y = tensor(d_y, output),
            .y = tensor(y, output),
            .lse = tensor(lse, {shape.rows(), shape.heads}),
            .qkv = tensor(qkv, {shape.rows(), shape.qkv_columns()}),
            .shape = shape,
            .scale = static_cast<float>(of.scale()),
            .mask = of.mask,
            .scratch =
                tensor(scratch, {attention_scratch(shape, kScratchThreads)})};
  }

  AttentionCase of;
  Values qkv;
  Values d_y;
  Values y;
  Values lse;
  Values d_qkv;
  Values scratch;
};

// The problem of part `part` of `parts` of the heads, with the whole one's
// operands.
inline AttentionOperands part_of(const AttentionOperands& whole,
                                 std::int64_t part,
                                 std::int64_t parts) {
  AttentionCase of = whole.of;
  of.shape.heads /= parts;
  of.shape.kv_heads /= parts;
  of.shape.part = part;
  of.shape.parts = parts;
  AttentionOperands operands(of);
  operands.qkv = part_of_qkv(whole.qkv, whole.of.shape, part, parts);
  operands.d_y = part_of_heads(whole.d_y, whole.of.shape, part, parts);
  return operands;
}

// Of every kind: sequences around the block of 64, heads narrower and wider
// than vectors and not a multiple of them, shared key heads.
inline const std::vector<AttentionShape> kAttentionShapes = {
    {.batch = 2, .sequence = 1, .heads = 2, .kv_heads = 2, .head_dim = 4},
    {.batch = 2, .sequence = 2, .heads = 2, .kv_heads = 1, .head_dim = 8},
    {.batch = 1, .sequence = 17, .heads = 3, .kv_heads = 3, .head_dim = 5},
    {.batch = 2, .sequence = 63, .heads = 4, .kv_heads = 2, .head_dim = 48},
    {.batch = 1, .sequence = 64, .heads = 2, .kv_heads = 2, .head_dim = 64},
    {.batch = 1, .sequence = 65, .heads = 2, .kv_heads = 1, .head_dim = 80},
    {.batch = 1, .sequence = 130, .heads = 4, .kv_heads = 1, .head_dim = 16},
    {.batch = 1, .sequence = 130, .heads = 1, .kv_heads = 1, .head_dim = 96},
    {.batch = 2, .sequence = 200, .heads = 2, .kv_heads = 2, .head_dim = 128},
};

}  // namespace dure::kernels
