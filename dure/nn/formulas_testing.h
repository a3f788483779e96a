// The formulas of the layers, for the tape of error_bounds_testing.h. The
// caller says what a layer rounds, and where.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <utility>
#include <vector>

#include "dure/kernels/attention_testing.h"
#include "dure/nn/error_bounds_testing.h"

namespace dure::nn {

struct Matrix {
  std::int64_t columns = 0;
  std::vector<Var> vars;

  std::int64_t rows() const {
    return static_cast<std::int64_t>(vars.size()) / columns;
  }
  Var at(std::int64_t row, std::int64_t column) const {
    return vars[static_cast<std::size_t>(row * columns + column)];
  }
};

// Calls function(var) for each element.
template <typename Function>
Matrix each(const Matrix& x, const Function& function) {
  Matrix y{x.columns, {}};
  for (const Var var : x.vars) {
    y.vars.push_back(function(var));
  }
  return y;
}

// The matrix and its gradient in tensors of a type.
inline Matrix stored(Tape& tape, const Matrix& x, DType dtype) {
  return each(x, [&](Var var) { return tape.stored(var, dtype, dtype); });
}

// The matrix in a tensor of a type. Its gradient comes from outside.
inline Matrix output(Tape& tape, const Matrix& x, DType dtype) {
  return each(x, [&](Var var) { return tape.stored(var, dtype, DType::kF32); });
}

// The matrix, of which only the gradient is kept in a tensor of a type.
inline Matrix with_gradient_in(Tape& tape, const Matrix& x, DType dtype) {
  return each(x, [&](Var var) { return tape.stored(var, DType::kF32, dtype); });
}

// x + y
inline Matrix sum(Tape& tape, const Matrix& x, const Matrix& y) {
  Matrix z{x.columns, {}};
  for (std::size_t i = 0; i < x.vars.size(); ++i) {
    z.vars.push_back(tape.dot({}, {x.vars[i], y.vars[i]}));
  }
  return z;
}

// x weight^T + bias; a bias without elements is left out.
inline Matrix linear(Tape& tape,
                     const Matrix& x,
                     const Matrix& weight,
                     const Matrix& bias = {}) {
  Matrix y{weight.rows(), {}};
  for (std::int64_t n = 0; n < x.rows(); ++n) {
    for (std::int64_t o = 0; o < y.columns; ++o) {
      std::vector<std::pair<Var, Var>> products;
      for (std::int64_t i = 0; i < x.columns; ++i) {
        products.emplace_back(x.at(n, i), weight.at(o, i));
      }
      std::vector<Var> addends;
      if (!bias.vars.empty()) {
        addends.push_back(bias.at(0, o));
      }
      y.vars.push_back(tape.dot(products, addends));
    }
  }
  return y;
}

// x times its mask.
inline Matrix dropped(Tape& tape,
                      const Matrix& x,
                      const kernels::DropoutMask& mask) {
  Matrix y{x.columns, {}};
  const double scale = 1 / (1 - double{mask.rate});
  for (std::size_t i = 0; i < x.vars.size(); ++i) {
    const bool keeps = mask.stream.uniform(mask.first_index() + i) >= mask.rate;
    const Var factor = tape.add({keeps ? scale : 0, 0});
    y.vars.push_back(tape.dot({{x.vars[i], factor}}));
  }
  return y;
}

// A function of one variable, whose second derivative is at most `curvature`.
struct Activation {
  double (*function)(double);
  double (*slope)(double);
  double curvature;
};

// activation_test.cpp derives this error of the kernels, in units of f32.
inline constexpr double kActivationUnits = 70;

inline Var activated(Tape& tape, Var x, const Activation& of) {
  const Bounded in = tape.value(x);
  const double y = of.function(in.value);
  const double slope = of.slope(in.value);
  const double turn = of.curvature * in.error;  // of the slope
  const double units = kActivationUnits * kernels::kUnit;
  const double moved = (std::abs(slope) + turn) * in.error;
  return tape.add({y, moved + units * (std::abs(y) + moved + 1e-4)},
                  {{x, {slope, turn + units * (1 + turn)}}});
}

// These are GELU in its tanh form, and x / (1 + exp(-x)). The second derivative
// of each is largest at 0.
inline constexpr Activation kGeluFormula = {
    [](double h) {
      const double root = std::sqrt(2 / std::numbers::pi);
      return h / 2 * (1 + std::tanh(root * (h + 0.044715 * h * h * h)));
    },
    [](double h) {
      const double root = std::sqrt(2 / std::numbers::pi);
      const double t = std::tanh(root * (h + 0.044715 * h * h * h));
      return (1 + t) / 2 +
             h / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * h * h);
    },
    0.8};
inline constexpr Activation kSiluFormula = {
    [](double g) { return g / (1 + std::exp(-g)); },
    [](double g) {
      const double s = 1 / (1 + std::exp(-g));
      return s + g * s * (1 - s);
    },
    0.5};

inline Matrix gelu(Tape& tape, const Matrix& x) {
  return each(x, [&](Var var) { return activated(tape, var, kGeluFormula); });
}

inline Matrix swiglu(Tape& tape, const Matrix& gate_up) {
  const std::int64_t F = gate_up.columns / 2;
  Matrix y{F, {}};
  for (std::int64_t n = 0; n < gate_up.rows(); ++n) {
    for (std::int64_t f = 0; f < F; ++f) {
      const Var gate = activated(tape, gate_up.at(n, f), kSiluFormula);
      y.vars.push_back(tape.dot({{gate, gate_up.at(n, F + f)}}));
    }
  }
  return y;
}

// 1 / sqrt(x)
inline Var inverse_root(Tape& tape, Var x) {
  const Bounded in = tape.value(x);
  const double y = 1 / std::sqrt(in.value);
  const double moved = 1 / std::sqrt(in.value - in.error) - y;
  const Bounded out = {y, moved + kF32 * (y + moved)};
  return tape.add(out, {{x, Bounded{-0.5, 0} * out * out * out}});
}

// A norm divides a row by one of these; kDeviation subtracts the mean first.
enum class NormBy : std::uint8_t { kDeviation, kRootMeanSquare, kLength };

// A row minus its mean.
inline std::vector<Var> centred(Tape& tape, std::vector<Var> row) {
  const Var share = tape.add({1 / static_cast<double>(row.size()), 0});
  const Var minus = tape.add({-1, 0});
  std::vector<std::pair<Var, Var>> terms;
  for (const Var var : row) {
    terms.emplace_back(var, share);
  }
  const Var mean = tape.dot(terms);
  for (Var& var : row) {
    var = tape.dot({{mean, minus}}, {var});
  }
  return row;
}

// 1 / sqrt(share * sum of squares + least)
inline Var inverse_length(Tape& tape,
                          const std::vector<Var>& row,
                          double share,
                          double least) {
  std::vector<std::pair<Var, Var>> squares;
  for (const Var var : row) {
    squares.emplace_back(var, var);
  }
  return inverse_root(tape,
                      tape.dot({{tape.dot(squares), tape.add({share, 0})}},
                               {tape.add({least, 0})}));
}

// (x - mean) / by * gain + bias
inline Matrix normed(Tape& tape,
                     const Matrix& x,
                     NormBy by,
                     const Matrix& gain,
                     const Matrix& bias,
                     double epsilon) {
  const std::int64_t C = x.columns;
  const bool whole = by == NormBy::kLength;
  const double share = whole ? 1 : 1 / static_cast<double>(C);
  Matrix y{C, {}};
  for (std::int64_t n = 0; n < x.rows(); ++n) {
    const auto first = x.vars.begin() + n * C;
    std::vector<Var> row(first, first + C);
    if (by == NormBy::kDeviation) {
      row = centred(tape, std::move(row));
    }
    const Var inverse = inverse_length(tape, row, share, whole ? 0 : epsilon);
    for (std::int64_t c = 0; c < C; ++c) {
      const Var normal =
          tape.dot({{row[static_cast<std::size_t>(c)], inverse}});
      std::vector<Var> addends;
      if (!bias.vars.empty()) {
        addends.push_back(bias.at(0, c));
      }
      y.vars.push_back(
          tape.dot({{normal, gain.at(0, whole ? 0 : c)}}, addends));
    }
  }
  return y;
}

// exp(x) / sum exp(x). With x off by at most e, an element grows by at most
// exp(e) over the mean of exp(-e), and shrinks likewise. The exponentials in
// f32 have a relative error of four units, and so many times |x|
// (activation_test.cpp); n are added up.
inline std::vector<Bounded> softmax(const std::vector<Bounded>& x) {
  double sum = 0;
  double largest = 0;
  for (const Bounded& element : x) {
    sum += std::exp(element.value);
    largest = std::max(largest, element.magnitude());
  }
  const double n = static_cast<double>(x.size());
  const double units = 2 * (1 + largest + std::log(n) + n) * kF32;
  double least = 0;  // of the sum, relative to it
  double most = 0;
  for (const Bounded& element : x) {
    const double p = std::exp(element.value) / sum;
    least += p * std::exp(-element.error);
    most += p * std::exp(element.error);
  }
  std::vector<Bounded> all;
  for (const Bounded& element : x) {
    const double p = std::exp(element.value) / sum;
    const double above = std::exp(element.error + units) / least - 1;
    const double below = 1 - std::exp(-element.error - units) / most;
    all.push_back({p, p * std::max(above, below)});
  }
  return all;
}

// The cross-entropy of a row's first `vocabulary` logits.
inline Var cross_entropy(Tape& tape,
                         const Matrix& logits,
                         std::int64_t row,
                         std::int64_t vocabulary,
                         std::int64_t target) {
  std::vector<Bounded> x;
  for (std::int64_t v = 0; v < vocabulary; ++v) {
    x.push_back(tape.value(logits.at(row, v)));
  }
  const std::vector<Bounded> p = softmax(x);
  const Bounded hit = p[static_cast<std::size_t>(target)];
  std::vector<Tape::Derivative> derivatives;
  for (std::int64_t v = 0; v < vocabulary; ++v) {
    const Bounded slope =
        p[static_cast<std::size_t>(v)] - Bounded{v == target ? 1.0 : 0.0, kF32};
    derivatives.push_back({logits.at(row, v), slope});
  }
  // The logarithm has the relative error of the probability.
  const double error = -std::log1p(-hit.error / hit.value);
  return tape.add({-std::log(hit.value), error + kF32}, derivatives);
}

// A query's scores of the keys that it sees, with their masks.
struct SeenKeys {
  std::vector<Var> scores;
  std::vector<std::int64_t> keys;
  std::vector<Bounded> keeps;
};

// sum_j softmax(scores)_j keep_j value[j], as `dtype` holds it. The backward
// reads that: the derivative by a score is p_j (keep_j value[j] - y).
inline Var attended(Tape& tape,
                    const SeenKeys& seen,
                    const std::function<Var(std::int64_t key)>& value,
                    DType dtype) {
  std::vector<Bounded> scores;
  for (const Var score : seen.scores) {
    scores.push_back(tape.value(score));
  }
  const std::vector<Bounded> p = softmax(scores);
  BoundedSum sum;
  for (std::size_t j = 0; j < p.size(); ++j) {
    sum.add(p[j] * seen.keeps[j] * tape.value(value(seen.keys[j])));
  }
  const Bounded y = tape.rounded(sum.get(), dtype);
  std::vector<Tape::Derivative> derivatives;
  for (std::size_t j = 0; j < p.size(); ++j) {
    const Var v = value(seen.keys[j]);
    derivatives.push_back({v, p[j] * seen.keeps[j]});
    derivatives.push_back(
        {seen.scores[j], p[j] * (seen.keeps[j] * tape.value(v) - y)});
  }
  return tape.add(y, std::move(derivatives), dtype);
}

// The fused products of q, k and v, a row for each position: H heads of q, then
// G of k and G of v.
struct FusedAttention {
  const kernels::AttentionCase& of;
  const Matrix& qkv;
  const Matrix& table;  // or without elements

  std::int64_t row(std::int64_t b, std::int64_t s) const {
    return b * of.sizes.queries + s;
  }
  Var element(std::int64_t row, std::int64_t head, std::int64_t d) const {
    return qkv.at(row, head * of.sizes.head_dim + d);
  }
};

inline SeenKeys seen_keys(Tape& tape,
                          const FusedAttention& in,
                          std::int64_t b,
                          std::int64_t h,
                          std::int64_t i) {
  const kernels::AttentionSizes& sizes = in.of.sizes;
  const kernels::SamplePattern pattern(
      in.of.pattern, {sizes.queries, sizes.keys}, b);
  const std::int64_t group = sizes.heads / sizes.kv_heads;
  const Var scale = tape.add({in.of.scale(), 0});
  SeenKeys seen;
  for (std::int64_t j = 0; j < sizes.keys; ++j) {
    if (!pattern.sees(i, j)) {
      continue;
    }
    std::vector<std::pair<Var, Var>> products;
    for (std::int64_t d = 0; d < sizes.head_dim; ++d) {
      products.emplace_back(
          in.element(in.row(b, i), h, d),
          in.element(in.row(b, j), sizes.heads + h / group, d));
    }
    std::vector<Var> bias;
    const std::int64_t distance = i - j;
    if (!in.of.slopes.empty()) {
      const double slope = in.of.slopes[static_cast<std::size_t>(h)];
      bias.push_back(
          tape.add({-slope * std::abs(static_cast<double>(distance)), 0}));
    }
    if (!in.table.vars.empty()) {
      bias.push_back(in.table.vars[in.of.table_index(h, distance)]);
    }
    seen.scores.push_back(tape.dot({{tape.dot(products), scale}}, bias));
    seen.keys.push_back(j);
    const double keep = in.of.keep(b, h, i, j);
    seen.keeps.push_back({keep, keep * kF32});
  }
  return seen;
}

inline Matrix attended(Tape& tape, const FusedAttention& in, DType dtype) {
  const kernels::AttentionSizes& sizes = in.of.sizes;
  const std::int64_t group = sizes.heads / sizes.kv_heads;
  Matrix y{sizes.heads * sizes.head_dim, {}};
  for (std::int64_t b = 0; b < sizes.batch; ++b) {
    for (std::int64_t i = 0; i < sizes.queries; ++i) {
      for (std::int64_t h = 0; h < sizes.heads; ++h) {
        const SeenKeys seen = seen_keys(tape, in, b, h, i);
        const std::int64_t v_head = sizes.heads + sizes.kv_heads + h / group;
        for (std::int64_t d = 0; d < sizes.head_dim; ++d) {
          const auto value = [&](std::int64_t j) {
            return in.element(in.row(b, j), v_head, d);
          };
          y.vars.push_back(attended(tape, seen, value, dtype));
        }
      }
    }
  }
  return y;
}

// A pair of elements, rotated by an angle.
inline std::pair<Var, Var> turned(Tape& tape, Var low, Var high, double angle) {
  const auto constant = [&](double value) { return tape.add({value, kF32}); };
  const Var cosine = constant(std::cos(angle));
  return {tape.dot({{low, cosine}, {high, constant(-std::sin(angle))}}),
          tape.dot({{high, cosine}, {low, constant(std::sin(angle))}})};
}

// The first `heads` heads of each row rotated, as `dtype` holds them.
inline Matrix rotated(Tape& tape,
                      const Matrix& qkv,
                      std::int64_t heads,
                      const kernels::AttentionSizes& sizes,
                      DType dtype) {
  constexpr double kTheta = 10000;
  const std::int64_t half = sizes.head_dim / 2;
  Matrix y = qkv;
  const auto place = [&](std::int64_t row, std::int64_t column) -> Var& {
    return y.vars[static_cast<std::size_t>(row * y.columns + column)];
  };
  for (std::int64_t n = 0; n < qkv.rows(); ++n) {
    for (std::int64_t pair = 0; pair < heads * half; ++pair) {
      const std::int64_t i = pair % half;
      Var& low = place(n, pair / half * sizes.head_dim + i);
      Var& high = place(n, pair / half * sizes.head_dim + i + half);
      const double frequency =
          std::pow(kTheta, -static_cast<double>(i) / static_cast<double>(half));
      const auto [new_low, new_high] = turned(
          tape, low, high, static_cast<double>(n % sizes.queries) * frequency);
      low = tape.stored(new_low, dtype, dtype);
      high = tape.stored(new_high, dtype, dtype);
    }
  }
  return y;
}

}  // namespace dure::nn
