#include "dure/nn/layer_examples_testing.h"

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "dure/nn/attention.h"
#include "dure/nn/embedding.h"
#include "dure/nn/head_loss.h"
#include "dure/nn/mlp.h"
#include "dure/nn/norm.h"

namespace dure::nn {
namespace {

using kernels::AttentionCase;
using kernels::Values;

constexpr std::int64_t kB = 2;
constexpr std::int64_t kS = 6;
constexpr std::int64_t kN = kLayerRows;
static_assert(kN == kB * kS);
constexpr std::int64_t kC = 8;
constexpr std::int64_t kF = 10;
constexpr std::int64_t kV = 13;
constexpr std::int64_t kVp = 16;
constexpr kernels::AttentionSizes kHeads = {.batch = kB,
                                            .queries = kS,
                                            .keys = kS,
                                            .heads = 2,
                                            .kv_heads = 1,
                                            .head_dim = 4};
constexpr double kRate = 0.25;

const std::vector<std::int32_t> kPositions = {
    0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5};
const std::vector<std::int32_t> kTokens = {
    3, 7, 1, 0, 12, 5, 3, 3, 9, 2, 11, 6};
const std::int64_t kFirstSample = 0;
const Sequences kSequences = {.samples = kB,
                              .positions = {kPositions.data(), {kN}},
                              .first_sample = {&kFirstSample, {1}}};

Dropout dropout(double rate) {
  return Dropout(1, "place", rate);
}

kernels::DropoutMask mask_of(const LayerExample& e, double rate) {
  return dropout(rate).stream_mask(e.ctx, kSequences, {kN, kC});
}

// x weight^T + bias
void all_to_sharded(LayerExample& e) {
  const DType P = e.types.compute;
  Operand& x = e.input("x", {kN, kC}, P);
  Operand& weight = e.weight("weight", {kF, kC});
  Operand& bias = e.weight("bias", {kF});
  Operand& y = e.output("y", {kN, kF}, P);
  e.layer = [&] {
    const AllToSharded layer(weight.parameter, &bias.parameter);
    layer.forward(e.ctx, y.value, x.value);
    layer.backward(e.ctx, {.d_x = x.gradient, .d_y = y.gradient, .x = x.value});
  };
  e.formula = [&, P](Tape& tape) -> std::vector<Matrix> {
    const Matrix product =
        linear(tape, x.on_tape, weight.on_tape, bias.on_tape);
    return {output(tape, product, P)};
  };
}

// The branch x weight^T + bias on the residual stream. The gradients of both
// are that of y itself, which the layer does not write again; the branch has it
// in the compute type.
Matrix on_stream(Tape& tape,
                 const LayerExample& e,
                 const Matrix& product,
                 const Operand& residual,
                 double rate) {
  const DType P = e.types.compute;
  const DType R = e.types.residual;
  Matrix branch = product;
  if (rate > 0) {
    branch = dropped(tape, stored(tape, product, P), mask_of(e, rate));
  } else if (P != R) {
    branch = with_gradient_in(tape, product, P);
  }
  return output(tape, sum(tape, branch, residual.on_tape), R);
}

void sharded_to_all(LayerExample& e, double rate) {
  const DType P = e.types.compute;
  const DType R = e.types.residual;
  Operand& x = e.input("x", {kN, kF}, P);
  Operand& weight = e.weight("weight", {kC, kF});
  Operand& bias = e.weight("bias", {kC});
  Operand& residual = e.input("residual", {kN, kC}, R);
  Operand& y = e.output("y", {kN, kC}, R);
  e.layer = [&, rate] {
    const ShardedToAll layer(weight.parameter, &bias.parameter, dropout(rate));
    layer.forward(e.ctx,
                  {.y = y.value,
                   .x = x.value,
                   .residual = residual.value,
                   .sequences = kSequences});
    layer.backward(e.ctx,
                   {.d_x = x.gradient,
                    .d_y = y.gradient,
                    .x = x.value,
                    .sequences = kSequences});
    write(residual.gradient, y.inputs);
  };
  e.formula = [&, rate](Tape& tape) -> std::vector<Matrix> {
    const Matrix product =
        linear(tape, x.on_tape, weight.on_tape, bias.on_tape);
    return {on_stream(tape, e, product, residual, rate)};
  };
}
void sharded_to_all(LayerExample& e) {
  sharded_to_all(e, 0);
}
void sharded_to_all_with_dropout(LayerExample& e) {
  sharded_to_all(e, kRate);
}

void embedding(LayerExample& e, double rate) {
  const DType R = e.types.residual;
  Operand& token = e.weight("token", {kVp, kC});
  Operand& position = e.weight("position", {kS, kC});
  Operand& y = e.output("y", {kN, kC}, R);
  const ConstTensor ids = {kTokens.data(), {kN}};
  e.layer = [&, rate, ids] {
    const Embedding layer(
        token.parameter, &position.parameter, dropout(rate), {});
    layer.forward(e.ctx, y.value, ids, kSequences);
    layer.backward(e.ctx, y.gradient, ids, kSequences);
  };
  e.formula = [&, rate, R](Tape& tape) -> std::vector<Matrix> {
    Matrix rows{kC, {}};
    for (std::size_t n = 0; n < kTokens.size(); ++n) {
      for (std::int64_t c = 0; c < kC; ++c) {
        rows.vars.push_back(tape.dot({},
                                     {token.on_tape.at(kTokens[n], c),
                                      position.on_tape.at(kPositions[n], c)}));
      }
    }
    if (rate > 0) {
      rows = dropped(tape, stored(tape, rows, R), mask_of(e, rate));
    }
    return {output(tape, rows, R)};
  };
}
void embedding(LayerExample& e) {
  embedding(e, 0);
}
void embedding_with_dropout(LayerExample& e) {
  embedding(e, kRate);
}

// The stream goes on around the norm: its gradient there comes on top.
void norm(LayerExample& e, const NormRow& row, NormBy by) {
  const DType P = e.types.compute;
  const DType R = e.types.residual;
  constexpr double kEpsilon = 1e-5;
  Operand& x = e.input("x", {kN, kC}, R);
  Operand& gain = e.weight("gain", {row.gains(kC)});
  Operand* const bias = row.takes_bias ? &e.weight("bias", {kC}) : nullptr;
  Operand& y = e.output("y", {kN, kC}, P);
  Operand& around = e.output("around", {kN, kC}, R);
  e.layer = [&, bias] {
    const Norm layer(row,
                     gain.parameter,
                     bias != nullptr ? &bias->parameter : nullptr,
                     kEpsilon);
    Norm::Saved saved;
    layer.forward(e.ctx, y.value, x.value, saved);
    layer.backward(e.ctx,
                   {.d_x = x.gradient,
                    .d_y = y.gradient,
                    .x = x.value,
                    .residual = around.gradient},
                   saved);
    write(around.value, x.inputs);
  };
  e.formula = [&, bias, by, P](Tape& tape) -> std::vector<Matrix> {
    const Matrix normal = normed(tape,
                                 x.on_tape,
                                 by,
                                 gain.on_tape,
                                 bias != nullptr ? bias->on_tape : Matrix(),
                                 kEpsilon);
    return {output(tape, normal, P), x.on_tape};
  };
}
void layer_norm(LayerExample& e) {
  norm(e, kLayerNorm, NormBy::kDeviation);
}
void rms_norm(LayerExample& e) {
  norm(e, kRmsNorm, NormBy::kRootMeanSquare);
}
void scale_norm(LayerExample& e) {
  norm(e, *norms()[2], NormBy::kLength);
}

void mlp(LayerExample& e, MlpKind kind) {
  const DType P = e.types.compute;
  const DType R = e.types.residual;
  const bool gated = kind == MlpKind::kSwiglu;
  Operand& x = e.input("x", {kN, kC}, P);
  Operand& up = e.weight("up", {gated ? 2 * kF : kF, kC});
  Operand& up_bias = e.weight("up_bias", {gated ? 2 * kF : kF});
  Operand& down = e.weight("down", {kC, kF});
  Operand& down_bias = e.weight("down_bias", {kC});
  Operand& residual = e.input("residual", {kN, kC}, R);
  Operand& y = e.output("y", {kN, kC}, R);
  e.layer = [&, kind] {
    const Mlp layer(
        AllToSharded(up.parameter, &up_bias.parameter),
        ShardedToAll(down.parameter, &down_bias.parameter, dropout(0)),
        kind,
        kF);
    Mlp::Saved saved;
    layer.forward(e.ctx,
                  {.y = y.value,
                   .x = x.value,
                   .residual = residual.value,
                   .sequences = kSequences},
                  saved);
    layer.backward(e.ctx,
                   {.d_x = x.gradient,
                    .d_y = y.gradient,
                    .x = x.value,
                    .sequences = kSequences},
                   saved);
    write(residual.gradient, y.inputs);
  };
  e.formula = [&, gated, P](Tape& tape) -> std::vector<Matrix> {
    const Matrix wide =
        stored(tape, linear(tape, x.on_tape, up.on_tape, up_bias.on_tape), P);
    const Matrix active =
        stored(tape, gated ? swiglu(tape, wide) : gelu(tape, wide), P);
    const Matrix product =
        linear(tape, active, down.on_tape, down_bias.on_tape);
    return {on_stream(tape, e, product, residual, 0)};
  };
}
void gelu_mlp(LayerExample& e) {
  mlp(e, MlpKind::kGelu);
}
void swiglu_mlp(LayerExample& e) {
  mlp(e, MlpKind::kSwiglu);
}

void attention(LayerExample& e,
               const Positions& positions,
               const kernels::AttentionPattern& pattern = {},
               double rate = 0) {
  const DType P = e.types.compute;
  const DType R = e.types.residual;
  const std::int64_t D = kHeads.head_dim;
  const std::int64_t H = kHeads.heads;
  const std::int64_t rotated_heads = H + kHeads.kv_heads;
  const bool has_rope = std::holds_alternative<RotaryPositions>(positions);
  const auto* const alibi = std::get_if<AlibiPositions>(&positions);
  const auto* const relative = std::get_if<RelativePositions>(&positions);
  AttentionCase of = {.sizes = kHeads,
                      .mask = dropout(rate).mask(e.ctx, kSequences, 1),
                      .pattern = pattern};
  of.slopes = alibi != nullptr ? alibi->slopes : Values();
  of.zero = relative != nullptr ? relative->zero : 0;
  of.distances = relative != nullptr ? kS : 0;
  Operand& x = e.input("x", {kN, kC}, P);
  Operand& qkv = e.weight("qkv", {(H + 2 * kHeads.kv_heads) * D, kC});
  Operand& qkv_bias = e.weight("qkv_bias", {qkv.value.shape()[0]});
  Operand& projection = e.weight("projection", {kC, H * D});
  Operand& bias = e.weight("bias", {kC});
  Operand& residual = e.input("residual", {kN, kC}, R);
  Operand* const table =
      relative != nullptr ? &e.input("table", {H, kS}, DType::kF32) : nullptr;
  Operand& y = e.output("y", {kN, kC}, R);
  e.layer = [&, positions, pattern, rate, table] {
    const Attention layer(
        AllToSharded(qkv.parameter, &qkv_bias.parameter),
        ShardedToAll(projection.parameter, &bias.parameter, dropout(0)),
        {.shape = {.heads = H, .kv_heads = kHeads.kv_heads, .head_dim = D},
         .pattern = pattern,
         .positions = positions,
         .dropout = dropout(rate)});
    if (table != nullptr) {
      write(table->gradient, Values(table->inputs.size()));
    }
    const Tensor d_table = table != nullptr ? table->gradient : Tensor();
    const ConstTensor biases = table != nullptr ? table->value : Tensor();
    Attention::Saved saved;
    layer.forward(e.ctx,
                  {.y = y.value,
                   .x = x.value,
                   .residual = residual.value,
                   .sequences = kSequences,
                   .table = biases},
                  saved);
    layer.backward(e.ctx,
                   {.d_x = x.gradient,
                    .d_y = y.gradient,
                    .x = x.value,
                    .sequences = kSequences,
                    .table = biases,
                    .d_table = d_table},
                   saved);
    write(residual.gradient, y.inputs);
  };
  e.formula = [&, of, has_rope, table, P](Tape& tape) -> std::vector<Matrix> {
    Matrix heads =
        stored(tape, linear(tape, x.on_tape, qkv.on_tape, qkv_bias.on_tape), P);
    if (has_rope) {
      heads = rotated(tape, heads, rotated_heads, kHeads, P);
    }
    const Matrix mean = attended(
        tape, {of, heads, table != nullptr ? table->on_tape : Matrix()}, P);
    const Matrix product = linear(tape, mean, projection.on_tape, bias.on_tape);
    return {on_stream(tape, e, product, residual, 0)};
  };
}
void attention(LayerExample& e) {
  attention(e, NoPositions{});
}
void attention_with_rope(LayerExample& e) {
  attention(e, RotaryPositions{});
}
void attention_with_alibi(LayerExample& e) {
  attention(e, AlibiPositions{alibi_slopes(kHeads.heads, {})});
}
void attention_with_a_table(LayerExample& e) {
  attention(e, RelativePositions{.zero = 0});
}
void attention_with_a_window(LayerExample& e) {
  attention(e, NoPositions{}, {.window = 3});
}
void attention_with_dropout(LayerExample& e) {
  attention(e, NoPositions{}, {}, kRate);
}

// The gradients of the loss come either with the forward or with the backward.
enum class HeadBackward : std::uint8_t { kAtOnce, kKept };

void head_loss(LayerExample& e, HeadBackward when) {
  const DType P = e.types.compute;
  static const float kOne = 1;
  Operand& x = e.input("x", {kN, kC}, P);
  Operand& weight = e.weight("weight", {kVp, kC});
  // The objective weighs each row's loss; the evaluation does not.
  Operand& loss = e.output("loss", {kN}, DType::kF32);
  e.layer = [&, when] {
    const HeadLoss layer(weight.parameter, kV, {});
    const HeadLoss::Forward op = {.loss = loss.value,
                                  .x = x.value,
                                  .targets = {kTokens.data(), {kN}},
                                  .weights = loss.gradient,
                                  .d_loss = {&kOne, {1}}};
    HeadLoss::Saved saved;
    if (when == HeadBackward::kAtOnce) {
      layer.forward(e.ctx, op, saved);
    } else {
      layer.forward_keeping(e.ctx, op, saved);
      OwnedTensor taken = e.ctx.activation({kN, kC}, e.types.compute);
      write(taken, x.inputs);
      layer.backward_kept(e.ctx, std::move(taken), saved);
    }
    write(x.gradient, kernels::values_of(saved.d_x));
    layer.evaluate(
        e.ctx,
        {.loss = loss.value, .x = x.value, .targets = {kTokens.data(), {kN}}});
  };
  e.formula = [&, P](Tape& tape) -> std::vector<Matrix> {
    const Matrix logits =
        with_gradient_in(tape, linear(tape, x.on_tape, weight.on_tape), P);
    Matrix losses{1, {}};
    for (std::int64_t n = 0; n < kN; ++n) {
      losses.vars.push_back(cross_entropy(
          tape, logits, n, kV, kTokens[static_cast<std::size_t>(n)]));
    }
    return {losses};
  };
}
void head_loss(LayerExample& e) {
  head_loss(e, HeadBackward::kAtOnce);
}
void head_loss_kept(LayerExample& e) {
  head_loss(e, HeadBackward::kKept);
}

const LayerRow kLayers[] = {
    {"AllToSharded", all_to_sharded},
    {"ShardedToAll", sharded_to_all},
    {"ShardedToAllWithDropout", sharded_to_all_with_dropout},
    {"Embedding", embedding},
    {"EmbeddingWithDropout", embedding_with_dropout},
    {"LayerNorm", layer_norm},
    {"RmsNorm", rms_norm},
    {"ScaleNorm", scale_norm},
    {"GeluMlp", gelu_mlp},
    {"SwigluMlp", swiglu_mlp},
    {"Attention", attention},
    {"AttentionWithRope", attention_with_rope},
    {"AttentionWithAlibi", attention_with_alibi},
    {"AttentionWithATable", attention_with_a_table},
    {"AttentionWithAWindow", attention_with_a_window},
    {"AttentionWithDropout", attention_with_dropout},
    {"HeadLoss", head_loss},
    {"HeadLossKept", head_loss_kept},
};

}  // namespace

std::span<const LayerRow> layer_rows() {
  return kLayers;
}

}  // namespace dure::nn
