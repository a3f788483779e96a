#include <cmath>

#include "dure/kernels/cuda/exact_sum.cuh"
#include "dure/kernels/cuda/squares.cuh"
#include "dure/kernels/cuda/update.cuh"
#include "dure/kernels/lamb.h"

namespace dure::kernels {
namespace {

constexpr double kMostNorm = 10;  // phi is the identity below

struct MomentSettings {
  float beta1;
  float beta2;
};

// The moments alone: the master is not changed.
struct MomentRule {
  using Settings = MomentSettings;
  static constexpr RuleUse kUse = {.changes_master = false, .states = 2};

  __device__ MomentRule(const Settings& at,
                        const float* control,
                        const UpdatePiece&)
      : settings(at), scale(control[kFactor]) {}

  __device__ void operator()(UpdateValues& x) const {
    const float g = x.g * scale;
    x.states[0] =
        __fmaf_rn(settings.beta1, x.states[0], (1 - settings.beta1) * g);
    x.states[1] =
        __fmaf_rn(settings.beta2, x.states[1], (1 - settings.beta2) * (g * g));
  }

  Settings settings;
  float scale;
};

// The step of a weight before the ratio: one expression in both operations, so
// that they get the same bits.
struct Direction {
  __device__ Direction(const float* control, float eps, float weight_decay)
      : rate(control[kDecisions + 1]),
        root(control[kDecisions + 2]),
        epsilon(eps),
        decay(weight_decay) {}

  __device__ float operator()(float w, float m, float v) const {
    const float divisor = __fmaf_rn(sqrtf(v), root, epsilon);
    return __fmaf_rn(decay, w, rate * m / divisor);
  }

  float rate;
  float root;
  float epsilon;
  float decay;
};

struct SharedNorms {
  SharedDigits weights;
  SharedDigits moves;
};

// Adds the squares of weights and of steps to the sums of the piece's weight.
// It reads the moments as they were stored, which are those that LambUpdate
// will read.
__global__ void measure_kernel(UpdatePieces pieces,
                               const float* control,
                               float epsilon,
                               std::int64_t* sums) {
  const UpdatePiece& piece = pieces.of[blockIdx.y];
  if (control[kIsUpdated] == 0 || piece.counted != CountedBy::kThisRank) {
    return;
  }
  auto& shared = shared_memory<SharedNorms>();
  clear(shared.weights);
  clear(shared.moves);
  const Direction direction(control, epsilon, piece.weight_decay);
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x * kSquareGroup;
  for (std::int64_t i = flat_index() * kSquareGroup; i < piece.n; i += step) {
    const std::int64_t count =
        piece.n - i < kSquareGroup ? piece.n - i : kSquareGroup;
    add_to(shared.weights, squares_of_group(count, [&](std::int64_t j) {
             return piece.master.load_one(i + j);
           }));
    add_to(shared.moves, squares_of_group(count, [&](std::int64_t j) {
             return direction(piece.master.load_one(i + j),
                              piece.states[0].load_one(i + j),
                              piece.states[1].load_one(i + j));
           }));
  }
  constexpr auto kDigits = static_cast<std::int64_t>(kSumDigits);
  std::int64_t* const row = sums + piece.row * kLambSums * kDigits;
  flush(shared.weights, row);
  flush(shared.moves, row + kDigits);
}

struct LambSettings {
  float epsilon;
  const std::int64_t* sums;
};

__device__ double norm_in(const std::int64_t* digits) {
  return sqrt(ExactSum(std::span<const std::int64_t, ExactSum::kDigits>(
                           digits, ExactSum::kDigits))
                  .value());
}

struct LambRule {
  using Settings = LambSettings;
  static constexpr RuleUse kUse = {
      .reads_gradient = false, .states = 2, .changes_states = false};

  // Each thread reads the norms of the piece's weight.
  __device__ LambRule(const Settings& at,
                      const float* control,
                      const UpdatePiece& piece)
      : direction(control, at.epsilon, piece.weight_decay) {
    constexpr auto kDigits = static_cast<std::int64_t>(kSumDigits);
    const std::int64_t* const row = at.sums + piece.row * kLambSums * kDigits;
    const double weight = norm_in(row);
    const double move = norm_in(row + kDigits);
    const double ratio = weight > 0 && move > 0
                             ? (weight < kMostNorm ? weight : kMostNorm) / move
                             : 1.0;
    rate = static_cast<float>(control[kDecisions] * ratio);
  }

  __device__ void operator()(UpdateValues& x) const {
    x.w = __fmaf_rn(-rate, direction(x.w, x.states[0], x.states[1]), x.w);
  }

  Direction direction;
  float rate;
};

}  // namespace

void run(OnCuda, Stream& stream, const LambMeasure& op) {
  launch_update<MomentRule>(
      stream, op.spans, op.control, {.beta1 = op.beta1, .beta2 = op.beta2});
  // Groups of squares begin with their span, wherever rounding is cut.
  std::vector<UpdateSpan> uncut(op.spans.begin(), op.spans.end());
  for (UpdateSpan& span : uncut) {
    span.rounding.reset();
  }
  auto* const sums = op.sums.data<std::int64_t>();
  for_each_group(
      uncut,
      std::int64_t{kFlatThreads} * kSquareGroup,
      [&](const UpdatePieces& pieces, LaunchShape shape) {
        shape.shared_bytes = sizeof(SharedNorms);
        launch_kernel<measure_kernel>(
            stream, shape, pieces, op.control.data<float>(), op.epsilon, sums);
      });
  const std::int64_t rows = op.sums.shape()[0] * kLambSums;
  launch_kernel<carry_kernel>(stream, flat_shape(rows), sums, rows);
}

void run(OnCuda, Stream& stream, const LambUpdate& op) {
  launch_update<LambRule>(
      stream,
      op.spans,
      op.control,
      {.epsilon = op.epsilon, .sums = op.sums.data<std::int64_t>()});
}

}  // namespace dure::kernels
