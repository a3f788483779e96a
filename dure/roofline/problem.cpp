#include "dure/roofline/problem.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <sstream>

#include "dure/base/check.h"
#include "dure/base/nearest.h"
#include "dure/kernels/activation.h"
#include "dure/kernels/adamw.h"
#include "dure/kernels/attention.h"
#include "dure/kernels/cached_attention.h"
#include "dure/kernels/cross_entropy.h"
#include "dure/kernels/dropout.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/embedding.h"
#include "dure/kernels/layer_norm.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/rms_norm.h"
#include "dure/kernels/rope.h"
#include "dure/kernels/sgd.h"
#include "dure/kernels/squared_norm.h"
#include "dure/kernels/transfer.h"

namespace dure::roofline {

std::int64_t ProblemLine::operator[](const std::string& key) const {
  const auto found = sizes.find(key);
  DURE_CHECK(found != sizes.end(), "{} wants {}=", operation, key);
  const auto size = static_cast<std::int64_t>(found->second);
  DURE_CHECK(size >= 1 && static_cast<double>(size) == found->second,
             "{} wants a whole number as {}, got {}",
             operation,
             key,
             found->second);
  return size;
}

std::string ProblemLine::describe() const {
  std::string text;
  for (const auto& [key, value] : sizes) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", key, value);
  }
  return text;
}

ProblemLine parse_line(const std::string& text) {
  std::istringstream words(text);
  ProblemLine line;
  double elements = 1;
  words >> line.operation;
  for (std::string word; words >> word;) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const char* const first = word.data() + std::min(equals + 1, word.size());
    const char* const last = word.data() + word.size();
    double value = 0;
    const auto [end, error] = std::from_chars(first, last, value);
    DURE_CHECK(error == std::errc() && end == last && value > 0,
               "wanted size=number above 0, got {}",
               word);
    line.sizes[word.substr(0, equals)] = value;
    // No tensor has more elements, but for a small factor.
    elements *= std::max(value, 1.0);
  }
  DURE_CHECK(elements < 0x1p53,
             "wanted sizes whose product is below 2^53, got {}",
             elements);
  return line;
}

std::vector<ProblemLine> parse_lines(const std::string& text,
                                     const std::string& name) {
  std::istringstream file(text);
  std::vector<ProblemLine> lines;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line[0] == '#') {
      continue;
    }
    try {
      lines.push_back(parse_line(line));
    } catch (const Error& error) {
      fail("{}, line {}: {}", name, number, error.what());
    }
  }
  return lines;
}

Problem::Problem(const ProblemLine& line, Device device, DType type)
    : type_(type), stream_(device) {
  const auto found = builders().find(line.operation);
  if (found == builders().end()) {
    std::vector<std::string> names;
    for (const auto& [name, builder] : builders()) {
      names.push_back(name);
    }
    fail("there is no problem of the name {}{}",
         line.operation,
         suggestion(line.operation, names));
  }
  found->second(*this, line);
}

Tensor Problem::drawn(const Shape& shape, DType type) {
  const Tensor y = room(shape, type);
  const std::int64_t n = y.elements();
  kernels::launch(
      stream_,
      kernels::FillNormal{.y = y.reshaped({1, n}),
                          .stream = RandomStream(tensors_.size(), "problem"),
                          .columns = n,
                          .filled_rows = 1});
  return y;
}

Tensor Problem::ones(const Shape& shape) {
  const Tensor y = f32(shape);
  kernels::launch(stream_, kernels::Fill{.y = y, .value = 1});
  return y;
}

const std::map<std::string, Problem::Builder>& Problem::builders() {
  static const std::map<std::string, Builder> kBuilders = {
      {"layer_norm", norms},
      {"layer_norm_backward", norms},
      {"rms_norm", norms},
      {"rms_norm_backward", norms},
      {"gelu", activations},
      {"gelu_backward", activations},
      {"swiglu", activations},
      {"swiglu_backward", activations},
      {"embedding", embeddings},
      {"embedding_backward", embeddings},
      {"logit_statistics", losses},
      {"cross_entropy_gradient", losses},
      {"matmul", products},
      {"matmul_add", products},
      {"column_sum", products},
      {"fill", elements},
      {"add", elements},
      {"copy", elements},
      {"dropout", elements},
      {"fill_normal", elements},
      {"attention", attentions},
      {"attention_backward", attentions},
      {"cached_attention", cached_attention},
      {"rope", rope},
      {"adamw", updates},
      {"sgd", updates},
      {"squared_norm", updates}};
  return kBuilders;
}

template <typename Op>
void Problem::set(const Op& op) {
  cost_ = kernels::cost(op);
  launch_ = [this, op] { kernels::launch(stream_, op); };
}

void Problem::norms(Problem& p, const ProblemLine& line) {
  const std::int64_t N = line["rows"];
  const std::int64_t C = line["columns"];
  const Tensor x = p.normal({N, C});
  const Tensor y = p.normal({N, C});
  const Tensor gain = p.normal({C});
  const Tensor bias = p.normal({C});
  const Tensor mean = p.f32({N});
  const Tensor rstd = p.f32({N});
  if (line.operation == "layer_norm") {
    p.set(kernels::LayerNorm{.y = y,
                             .mean = mean,
                             .rstd = rstd,
                             .x = x,
                             .gain = gain,
                             .bias = bias});
  } else if (line.operation == "layer_norm_backward") {
    p.set(kernels::LayerNormBackward{.d_x = p.normal({N, C}),
                                     .d_gain = p.f32({C}),
                                     .d_bias = p.f32({C}),
                                     .d_y = y,
                                     .x = x,
                                     .gain = gain,
                                     .mean = mean,
                                     .rstd = rstd,
                                     .write = kernels::Write::kOverwrite});
  } else if (line.operation == "rms_norm") {
    p.set(kernels::RmsNorm{.y = y, .rstd = rstd, .x = x, .gain = gain});
  } else {
    p.set(kernels::RmsNormBackward{.d_x = p.normal({N, C}),
                                   .d_gain = p.f32({C}),
                                   .d_y = y,
                                   .x = x,
                                   .gain = gain,
                                   .rstd = rstd,
                                   .write = kernels::Write::kOverwrite});
  }
}

void Problem::activations(Problem& p, const ProblemLine& line) {
  const std::int64_t N = line["rows"];
  const std::int64_t F = line["columns"];
  const bool gated = line.operation.starts_with("swiglu");
  const Tensor x = p.normal({N, gated ? 2 * F : F});
  const Tensor y = p.normal({N, F});
  if (line.operation == "gelu") {
    p.set(kernels::Gelu{.y = y, .x = x});
  } else if (line.operation == "gelu_backward") {
    p.set(kernels::GeluBackward{.d_x = p.normal({N, F}), .d_y = y, .x = x});
  } else if (line.operation == "swiglu") {
    p.set(kernels::Swiglu{.y = y, .gate_up = x});
  } else {
    p.set(kernels::SwigluBackward{
        .d_gate_up = p.normal({N, 2 * F}), .d_y = y, .gate_up = x});
  }
}

void Problem::embeddings(Problem& p, const ProblemLine& line) {
  const std::int64_t N = line["rows"];
  const std::int64_t C = line["columns"];
  const std::int64_t V = line["vocabulary"];
  const Tensor y = p.normal({N, C});
  const Tensor token = p.normal({V, C});
  const RandomStream stream(1, "ids");
  const ConstTensor ids = p.i32(N, [&](std::int64_t n) {
    return static_cast<std::int64_t>(stream.below(
        static_cast<std::uint64_t>(V), static_cast<std::uint64_t>(n)));
  });
  Tensor position;
  ConstTensor positions;
  if (line.sizes.contains("positions")) {
    const std::int64_t S = line["positions"];
    position = p.normal({S, C});
    positions = p.i32(N, [=](std::int64_t n) { return n % S; });
  }
  if (line.operation == "embedding") {
    p.set(kernels::Embedding{.y = y,
                             .ids = ids,
                             .token = token,
                             .token_rows = {.all = V},
                             .positions = positions,
                             .position = position});
  } else {
    p.set(kernels::EmbeddingBackward{.d_table = p.f32({V, C}),
                                     .d_y = y,
                                     .indices = ids,
                                     .rows = {.all = V}});
  }
}

void Problem::losses(Problem& p, const ProblemLine& line) {
  const std::int64_t N = line["rows"];
  const std::int64_t V = line["vocabulary"];
  const Tensor logits = p.f32({N, line["columns"]});
  const ConstTensor targets =
      p.i32(N, [=](std::int64_t n) { return n * 7919 % V; });
  const Tensor maximum = p.f32({N});
  const Tensor sums = p.room({2, N}, DType::kF64);
  const kernels::LogitStatistics statistics = {.maximum = maximum,
                                               .sums = sums,
                                               .logits = logits,
                                               .targets = targets,
                                               .vocabulary = V};
  kernels::launch(p.stream_, statistics);  // the gradient needs them
  if (line.operation == "logit_statistics") {
    p.set(statistics);
  } else {
    p.set(kernels::CrossEntropyGradient{.logits = logits,
                                        .maximum = maximum,
                                        .sums = sums,
                                        .targets = targets,
                                        .vocabulary = V,
                                        .d_loss = p.f32({1})});
  }
}

// A linear layer's forward, its weight's gradient, its bias's gradient.
void Problem::products(Problem& p, const ProblemLine& line) {
  const std::int64_t M = line["rows"];
  const std::int64_t N = line["columns"];
  if (line.operation == "column_sum") {
    p.set(kernels::ColumnSum{.y = p.f32({N}), .x = p.normal({M, N})});
    return;
  }
  const std::int64_t K = line["depth"];
  if (line.operation == "matmul") {
    p.set(kernels::MatMul{.y = p.normal({M, N}),
                          .a = p.normal({M, K}),
                          .b = p.normal({N, K}),
                          .transpose_b = kernels::Transpose::kYes});
  } else {
    p.set(kernels::MatMul{.y = p.f32({M, N}),
                          .a = p.normal({K, M}),
                          .b = p.normal({K, N}),
                          .transpose_a = kernels::Transpose::kYes,
                          .write = kernels::Write::kAdd});
  }
}

void Problem::elements(Problem& p, const ProblemLine& line) {
  const std::int64_t N = line["rows"];
  const std::int64_t C = line["columns"];
  const Tensor y = p.normal({N, C});
  if (line.operation == "fill") {
    p.set(kernels::Fill{.y = y, .value = 1});
  } else if (line.operation == "fill_normal") {
    p.set(kernels::FillNormal{.y = y, .columns = C, .filled_rows = N});
  } else if (line.operation == "copy") {
    p.set(kernels::Copy{.y = y, .x = p.normal({N, C})});
  } else if (line.operation == "add") {
    p.set(kernels::Add{.y = y, .a = p.normal({N, C}), .b = p.normal({N, C})});
  } else {
    const kernels::DropoutMask mask = {
        .stream = RandomStream(1, "dropout"),
        .first_sample = p.i64_zeros(1),
        .rate = static_cast<float>(line.sizes.at("rate"))};
    p.set(kernels::Dropout{.y = y,
                           .x = p.normal({N, C}),
                           .residual = p.normal({N, C}),
                           .mask = mask});
  }
}

kernels::FusedHeads fused_heads(const ProblemLine& line) {
  return {.samples = line["batch"],
          .heads = line["heads"],
          .kv_heads = line["kv_heads"],
          .head_dim = line["head_dim"]};
}

kernels::AttentionInputs attention_inputs(const Tensor& qkv,
                                          const kernels::FusedHeads& fused) {
  return {.q = heads_of_rows(qkv, fused.q()),
          .k = heads_of_rows(qkv, fused.k()),
          .v = heads_of_rows(qkv, fused.v()),
          .scale = 0.125F};
}

void Problem::attentions(Problem& p, const ProblemLine& line) {
  const kernels::FusedHeads fused = fused_heads(line);
  const std::int64_t N = fused.samples * line["sequence"];
  const kernels::AttentionInputs in =
      attention_inputs(p.normal({N, fused.columns()}), fused);
  const Tensor y = p.normal({N, fused.heads * fused.head_dim});
  const Tensor lse = p.f32({N, fused.heads});
  const Tensor scratch =
      p.f32({attention_scratch(in, p.stream_.team().members())});
  const kernels::Attention forward = {
      .y = y, .lse = lse, .in = in, .scratch = scratch};
  if (line.operation == "attention") {
    p.set(forward);
    return;
  }
  kernels::launch(p.stream_, forward);  // the backward needs its y and lse
  const Tensor d_qkv = p.normal({N, fused.columns()});
  p.set(kernels::AttentionBackward{.d_q = heads_of_rows(d_qkv, fused.q()),
                                   .d_k = heads_of_rows(d_qkv, fused.k()),
                                   .d_v = heads_of_rows(d_qkv, fused.v()),
                                   .d_y = p.normal(y.shape()),
                                   .y = y,
                                   .lse = lse,
                                   .in = in,
                                   .scratch = scratch});
}

// Leaves out the append, which is a copy.
void Problem::cached_attention(Problem& p, const ProblemLine& line) {
  const kernels::FusedHeads fused = fused_heads(line);
  const std::int64_t N = fused.samples * line["sequence"];
  const Shape cache = {
      fused.samples, fused.kv_heads, line["cache"], fused.head_dim};
  const std::int64_t length = line["length"];
  kernels::AttentionInputs in =
      attention_inputs(p.normal({N, fused.columns()}), fused);
  in.k = kernels::heads_of_cache(p.normal(cache));
  in.v = kernels::heads_of_cache(p.normal(cache));
  in.pattern.offset = {
      .value = length,
      .each = p.i32(fused.samples, [=](std::int64_t) { return length; })};
  p.set(kernels::CachedAttention{
      .y = p.normal({N, fused.heads * fused.head_dim}),
      .in = in,
      .scratch =
          p.f32({cached_attention_scratch(in, p.stream_.team().members())})});
}

void Problem::rope(Problem& p, const ProblemLine& line) {
  const std::int64_t N = line["rows"];
  const std::int64_t D = line["head_dim"];
  p.set(kernels::Rope{.qkv = p.normal({N, line["heads"] * D}),
                      .positions = p.i32(N, [](std::int64_t n) { return n; }),
                      .head_dim = D,
                      .rotated_heads = line["rotated_heads"]});
}

void Problem::updates(Problem& p, const ProblemLine& line) {
  const std::int64_t n = line["elements"];
  const Tensor control = p.ones({kernels::kDecisions + kernels::AdamW::kRates});
  for (std::int64_t s = 0; s < line["spans"]; ++s) {
    const Tensor master = p.f32({n});
    p.spans_.push_back(master);
    if (line.operation != "squared_norm") {
      const bool is_weight = p.type_ == DType::kF32;
      p.update_spans_.push_back({.master = master,
                                 .weight = is_weight ? master : p.normal({n}),
                                 .gradient = p.f32({n}),
                                 .states = {p.f32({n}), p.ones({n})},
                                 .weight_decay = 0.1F});
    }
  }
  if (line.operation == "adamw") {
    p.set(kernels::AdamW{.spans = p.update_spans_, .control = control});
  } else if (line.operation == "sgd") {
    p.set(kernels::Sgd{
        .spans = p.update_spans_,
        .control = control.rows(0, kernels::kDecisions + kernels::Sgd::kRates),
        .momentum = 0.9F});
  } else {
    p.set(kernels::SquaredNorm{.sum = p.i64_zeros(kernels::kSumDigits),
                               .first_nonfinite = p.i64_zeros(1),
                               .spans = p.spans_});
  }
}

}  // namespace dure::roofline
