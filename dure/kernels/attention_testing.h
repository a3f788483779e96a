// Helpers for the tests of attention: the formulas of attention.h in double,
// written the obvious way, operands, and examples.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "dure/base/limits.h"
#include "dure/kernels/attention.h"
#include "dure/kernels/dropout_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {

// The most threads that tests use: three, or one a core.
inline const int kScratchThreads = std::max(3, usable_processors());

struct AttentionSizes {
  std::int64_t batch = 0;     // B
  std::int64_t queries = 0;   // Sq
  std::int64_t keys = 0;      // Sk
  std::int64_t heads = 0;     // H
  std::int64_t kv_heads = 0;  // G
  std::int64_t head_dim = 0;  // D

  HeadLayout q() const { return dense(queries, heads); }
  HeadLayout k() const { return dense(keys, kv_heads); }
  std::int64_t longest() const { return std::max(queries, keys); }

 private:
  // Rows that consist of heads alone.
  HeadLayout dense(std::int64_t rows, std::int64_t row_heads) const {
    return {.samples = batch,
            .rows = rows,
            .heads = row_heads,
            .head_dim = head_dim,
            .first = 0,
            .sample_step = rows * row_heads * head_dim,
            .row_step = row_heads * head_dim,
            .head_step = head_dim};
  }
};

// A case has dropout if mask.rate is not 0, and biases if they have elements.
struct AttentionCase {
  AttentionSizes sizes;
  DropoutMask mask = {};
  AttentionPattern pattern = {};
  Values slopes = {};          // (H)
  std::int64_t distances = 0;  // columns of a table of biases
  std::int64_t zero = 0;

  double scale() const {
    return 1 / std::sqrt(static_cast<double>(sizes.head_dim));
  }
  // 1 / (1 - rate) if the pair stays, else 0.
  double keep(std::int64_t b,
              std::int64_t h,
              std::int64_t i,
              std::int64_t j) const {
    if (mask.rate == 0) {
      return 1;
    }
    const auto product = [](std::uint64_t a, std::int64_t times) {
      return a * static_cast<std::uint64_t>(times);
    };
    std::uint64_t index = mask.first_index() + static_cast<std::uint64_t>(b);
    index = product(index, sizes.heads) + static_cast<std::uint64_t>(h);
    index = product(index, sizes.queries) + static_cast<std::uint64_t>(i);
    index = product(index, sizes.keys) + static_cast<std::uint64_t>(j);
    return mask.stream.uniform(index) >= mask.rate ? 1 / (1 - double{mask.rate})
                                                   : 0;
  }
  std::size_t table_index(std::int64_t h, std::int64_t distance) const {
    return static_cast<std::size_t>(
        h * distances +
        std::clamp<std::int64_t>(distance + zero, 0, distances - 1));
  }
};

// Operands in double, or their gradients.
struct AttentionDoubles {
  Doubles q;      // (B, Sq, H, D)
  Doubles k;      // (B, Sk, G, D)
  Doubles v;      // (B, Sk, G, D)
  Doubles table;  // (H, distances)
};
inline const std::vector<Doubles AttentionDoubles::*> kAttentionOperands = {
    &AttentionDoubles::q,
    &AttentionDoubles::k,
    &AttentionDoubles::v,
    &AttentionDoubles::table};

// One head of one sample: y, lse and, with d_y, the gradient.
class HeadReference {
 public:
  HeadReference(const AttentionCase& of,
                const AttentionDoubles& in,
                std::int64_t b,
                std::int64_t h)
      : of_(of),
        in_(in),
        seen_(of.pattern, {of.sizes.queries, of.sizes.keys}, b),
        b_(b),
        h_(h),
        g_(h / (of.sizes.heads / of.sizes.kv_heads)) {}

  // The score; -inf if the query does not see the key.
  double score(std::int64_t i, std::int64_t j) const {
    if (!seen_.sees(i, j)) {
      return -std::numeric_limits<double>::infinity();
    }
    double sum = 0;
    for (std::int64_t d = 0; d < of_.sizes.head_dim; ++d) {
      sum += in_.q[q(i, d)] * in_.k[k(j, d)];
    }
    return of_.scale() * sum + bias(seen_.position(i) - j);
  }

  void forward(Doubles& y, Doubles& lse_out) const {
    for (std::int64_t i = 0; i < of_.sizes.queries; ++i) {
      Doubles p = scores(i);
      lse_out[q(i, 0) / static_cast<std::size_t>(of_.sizes.head_dim)] =
          normalize(p);
      for (std::int64_t j = 0; j < of_.sizes.keys; ++j) {
        if (p[static_cast<std::size_t>(j)] == 0) {
          continue;
        }
        const double kept =
            p[static_cast<std::size_t>(j)] * of_.keep(b_, h_, i, j);
        for (std::int64_t d = 0; d < of_.sizes.head_dim; ++d) {
          y[q(i, d)] += kept * in_.v[k(j, d)];
        }
      }
    }
  }

  // Adds to the gradients. With the y that the operation reads, which is
  // rounded, they are those that this y gives.
  void backward(AttentionDoubles& gradient,
                const Doubles& d_y,
                const Doubles& rounded_y) const {
    for (std::int64_t i = 0; i < of_.sizes.queries; ++i) {
      backward_row(gradient, d_y, rounded_y, i);
    }
  }

 private:
  double bias(std::int64_t distance) const {
    double sum = 0;
    if (!of_.slopes.empty()) {
      sum -= double{of_.slopes[static_cast<std::size_t>(h_)]} *
             static_cast<double>(std::abs(distance));
    }
    if (of_.distances > 0) {
      sum += in_.table[of_.table_index(h_, distance)];
    }
    return sum;
  }

  Doubles scores(std::int64_t i) const {
    Doubles s;
    for (std::int64_t j = 0; j < of_.sizes.keys; ++j) {
      s.push_back(score(i, j));
    }
    return s;
  }

  // Turns a query's scores into probabilities, or 0 if it sees no key. Returns
  // its lse.
  static double normalize(Doubles& s) {
    double sum = 0;
    for (const double score : s) {
      sum += std::exp(score);
    }
    const double lse = std::log(sum);
    for (double& score : s) {
      score = sum == 0 ? 0 : std::exp(score - lse);
    }
    return lse;
  }

  void backward_row(AttentionDoubles& gradient,
                    const Doubles& d_y,
                    const Doubles& rounded_y,
                    std::int64_t i) const {
    Doubles p = scores(i);
    normalize(p);
    Doubles d_p(p.size());
    double mean = 0;
    for (std::int64_t j = 0; j < of_.sizes.keys; ++j) {
      const auto at = static_cast<std::size_t>(j);
      if (p[at] == 0) {
        continue;
      }
      const double keep = of_.keep(b_, h_, i, j);
      for (std::int64_t d = 0; d < of_.sizes.head_dim; ++d) {
        d_p[at] += keep * d_y[q(i, d)] * in_.v[k(j, d)];
        gradient.v[k(j, d)] += keep * p[at] * d_y[q(i, d)];
      }
      mean += p[at] * d_p[at];
    }
    if (!rounded_y.empty()) {
      mean = 0;
      for (std::int64_t d = 0; d < of_.sizes.head_dim; ++d) {
        mean += d_y[q(i, d)] * rounded_y[q(i, d)];
      }
    }
    for (std::int64_t j = 0; j < of_.sizes.keys; ++j) {
      const auto at = static_cast<std::size_t>(j);
      if (p[at] == 0) {
        continue;
      }
      const double d_score = p[at] * (d_p[at] - mean);
      if (of_.distances > 0) {
        gradient.table[of_.table_index(h_, seen_.position(i) - j)] += d_score;
      }
      for (std::int64_t d = 0; d < of_.sizes.head_dim; ++d) {
        gradient.q[q(i, d)] += of_.scale() * d_score * in_.k[k(j, d)];
        gradient.k[k(j, d)] += of_.scale() * d_score * in_.q[q(i, d)];
      }
    }
  }

  // Where this head's elements lie in q, and in k and v.
  std::size_t q(std::int64_t i, std::int64_t d) const {
    const HeadLayout at = of_.sizes.q();
    return static_cast<std::size_t>(at.offset(b_, h_) + i * at.row_step + d);
  }
  std::size_t k(std::int64_t j, std::int64_t d) const {
    const HeadLayout at = of_.sizes.k();
    return static_cast<std::size_t>(at.offset(b_, g_) + j * at.row_step + d);
  }

  const AttentionCase& of_;
  const AttentionDoubles& in_;
  SamplePattern seen_;
  std::int64_t b_;
  std::int64_t h_;
  std::int64_t g_;
};

struct AttentionOutputs {
  Doubles y;
  Doubles lse;
};

inline AttentionOutputs reference_forward(const AttentionCase& of,
                                          const AttentionDoubles& in) {
  const auto elements = static_cast<std::size_t>(of.sizes.q().elements());
  AttentionOutputs out{
      Doubles(elements),
      Doubles(elements / static_cast<std::size_t>(of.sizes.head_dim))};
  for (std::int64_t b = 0; b < of.sizes.batch; ++b) {
    for (std::int64_t h = 0; h < of.sizes.heads; ++h) {
      HeadReference(of, in, b, h).forward(out.y, out.lse);
    }
  }
  return out;
}

inline AttentionDoubles reference_backward(const AttentionCase& of,
                                           const AttentionDoubles& in,
                                           const Doubles& d_y,
                                           const Doubles& rounded_y = {}) {
  AttentionDoubles gradient{Doubles(in.q.size()),
                            Doubles(in.k.size()),
                            Doubles(in.v.size()),
                            Doubles(in.table.size())};
  for (std::int64_t b = 0; b < of.sizes.batch; ++b) {
    for (std::int64_t h = 0; h < of.sizes.heads; ++h) {
      HeadReference(of, in, b, h).backward(gradient, d_y, rounded_y);
    }
  }
  return gradient;
}

// The columns of part `part` of `parts` in each row of a matrix of heads.
inline Values part_of_heads(const Values& all,
                            std::int64_t columns,
                            std::int64_t part,
                            std::int64_t parts) {
  Values result;
  const std::int64_t width = columns / parts;
  for (auto row = all.begin(); row < all.end(); row += columns) {
    result.insert(result.end(), row + part * width, row + (part + 1) * width);
  }
  return result;
}

// Operands of forward and backward; q, k and v are a matrix each. Outputs and
// scratch begin as NaN, so a read before a write, or a missing write, shows.
struct AttentionOperands {
  explicit AttentionOperands(const AttentionCase& example)
      : of(example),
        q(random_values(of.sizes.q().elements(), "q")),
        k(random_values(of.sizes.k().elements(), "k")),
        v(random_values(of.sizes.k().elements(), "v")),
        table(random_values(of.sizes.heads * of.distances, "table")),
        d_y(random_values(of.sizes.q().elements(), "d_y")),
        y(nans(of.sizes.q().elements())),
        lse(nans(of.sizes.q().elements() / of.sizes.head_dim)),
        d_q(nans(of.sizes.q().elements())),
        d_k(nans(of.sizes.k().elements())),
        d_v(nans(of.sizes.k().elements())),
        d_table(table.size()),
        scratch(nans(attention_scratch(inputs(), kScratchThreads))) {}

  static Values nans(std::int64_t count) {
    return Values(static_cast<std::size_t>(count), std::nanf(""));
  }
  AttentionDoubles in_double() const {
    return {doubles(q), doubles(k), doubles(v), doubles(table)};
  }

  AttentionInputs inputs() const {
    const AttentionSizes& sizes = of.sizes;
    return {.q = {tensor(q, rows(sizes.q())), sizes.q()},
            .k = {tensor(k, rows(sizes.k())), sizes.k()},
            .v = {tensor(v, rows(sizes.k())), sizes.k()},
            .pattern = of.pattern,
            .bias = {.slopes = of.slopes,
                     .table = of.distances > 0
                                  ? tensor(table, {sizes.heads, of.distances})
                                  : ConstTensor(),
                     .zero = of.zero},
            .scale = static_cast<float>(of.scale()),
            .part = part,
            .parts = parts};
  }

  Attention forward() {
    return {.y = tensor(y, rows(of.sizes.q())),
            .lse = lse_tensor(),
            .in = inputs(),
            .mask = of.mask,
            .scratch = scratch_tensor()};
  }

  AttentionBackward backward() {
    const AttentionSizes& sizes = of.sizes;
    return {.d_q = {tensor(d_q, rows(sizes.q())), sizes.q()},
            .d_k = {tensor(d_k, rows(sizes.k())), sizes.k()},
            .d_v = {tensor(d_v, rows(sizes.k())), sizes.k()},
            .d_table = of.distances > 0
                           ? tensor(d_table, {sizes.heads, of.distances})
                           : Tensor(),
            .d_y = tensor(d_y, rows(sizes.q())),
            .y = tensor(y, rows(sizes.q())),
            .lse = lse_tensor(),
            .in = inputs(),
            .mask = of.mask,
            .scratch = scratch_tensor()};
  }

  AttentionCase of;
  std::int64_t part = 0;
  std::int64_t parts = 1;
  Values q;
  Values k;
  Values v;
  Values table;
  Values d_y;
  Values y;
  Values lse;
  Values d_q;
  Values d_k;
  Values d_v;
  Values d_table;
  Values scratch;

 private:
  static Shape rows(const HeadLayout& at) {
    return {at.samples * at.rows, at.heads * at.head_dim};
  }
  Tensor lse_tensor() {
    return tensor(lse, {of.sizes.batch * of.sizes.queries, of.sizes.heads});
  }
  Tensor scratch_tensor() {
    return tensor(scratch, {attention_scratch(inputs(), kScratchThreads)});
  }
};

// The problem for part `part` of `parts` of the heads, with the operands of the
// whole one.
inline AttentionOperands part_of(const AttentionOperands& whole,
                                 std::int64_t part,
                                 std::int64_t parts) {
  const HeadLayout q = whole.of.sizes.q();
  const HeadLayout k = whole.of.sizes.k();
  AttentionCase of = whole.of;
  of.sizes.heads /= parts;
  of.sizes.kv_heads /= parts;
  AttentionOperands operands(of);
  operands.part = part;
  operands.parts = parts;
  operands.q = part_of_heads(whole.q, q.row_step, part, parts);
  operands.k = part_of_heads(whole.k, k.row_step, part, parts);
  operands.v = part_of_heads(whole.v, k.row_step, part, parts);
  operands.d_y = part_of_heads(whole.d_y, q.row_step, part, parts);
  return operands;
}

inline AttentionSizes square(std::int64_t batch,
                             std::int64_t sequence,
                             std::int64_t heads,
                             std::int64_t kv_heads,
                             std::int64_t head_dim) {
  return {.batch = batch,
          .queries = sequence,
          .keys = sequence,
          .heads = heads,
          .kv_heads = kv_heads,
          .head_dim = head_dim};
}

// Sizes of every kind: sequences around the block of 64, heads narrower and
// wider than vectors and not a multiple of them, shared key heads.
inline const std::vector<AttentionSizes> kAttentionSizes = {
    square(2, 1, 2, 2, 4),
    square(2, 2, 2, 1, 8),
    square(1, 17, 3, 3, 5),
    square(2, 63, 4, 2, 48),
    square(1, 64, 2, 2, 64),
    square(1, 65, 2, 1, 80),
    square(1, 130, 4, 1, 16),
    square(1, 130, 1, 1, 96),
    square(2, 200, 2, 2, 128),
};

}  // namespace dure::kernels
