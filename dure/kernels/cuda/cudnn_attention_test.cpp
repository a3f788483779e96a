// Attention by cuDNN beside our own kernels, on a GPU.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "dure/kernels/attention_half_testing.h"
#include "dure/kernels/cuda/attention_problem.h"

namespace dure::kernels {
namespace {

class CudnnAttention : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests_cuda()) {
      GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
    }
  }
};

// Operands 0 to 5 are those of half_operands(), 6 to 9 d_y, d_q, d_k and d_v.
Attention forward_of(AttentionOperands& operands, const Tensors& t) {
  Attention op = operands.forward();
  op.in = inputs_from(operands, t);
  op.y = t[4];
  op.lse = t[5];
  return op;
}

AttentionBackward backward_of(AttentionOperands& operands, const Tensors& t) {
  AttentionBackward op = operands.backward();
  op.in = inputs_from(operands, t);
  op.y = t[4];
  op.lse = t[5];
  op.d_y = t[6];
  op.d_q.tensor = t[7];
  op.d_k.tensor = t[8];
  op.d_v.tensor = t[9];
  return op;
}

double largest(const Values& values) {
  double most = 0;
  for (const float value : values) {
    most = std::max(most, std::abs(double{value}));
  }
  return most;
}

void expect_within(const Values& got, const Values& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], bound) << "at element " << i;
  }
}

// The results of the operations by cuDNN and by our kernels, of equal operands.
template <typename Half>
class Pair {
 public:
  explicit Pair(const AttentionCase& of)
      : operands_(rounded_operands<Half>(of)) {
    forward_ = both(
        half_operands(operands_, OperandType::kHalf),
        [&](const Tensors& t) { return counted(forward_of(operands_, t)); });
    std::vector<Operand> in = half_operands(operands_, OperandType::kHalf);
    in[4].values = forward_[1][4];
    in[5].values = forward_[1][5];
    in.push_back({operands_.d_y, in[0].shape});
    in.push_back({operands_.d_q, in[0].shape});
    in.push_back({operands_.d_k, in[1].shape});
    in.push_back({operands_.d_v, in[1].shape});
    backward_ = both(in, [&](const Tensors& t) {
      return counted(backward_of(operands_, t));
    });
  }

  // How many of the operations cuDNN was asked for.
  int asked() const { return asked_; }

  // Both round y, and cuDNN also the probabilities, whose sum is 1.
  void expect_alike_forward() const {
    const Results& cudnn = forward_[0];
    const Results& own = forward_[1];
    expect_within(cudnn[4], own[4], 3 * kHalfUnit * largest(own[2]));
    expect_within(cudnn[5], own[5], 1e-4 * (1 + largest(own[5])));
  }

  // d_s = p (d_p - delta) is at most 2 D max|d_y| max|v| p, and is rounded; so
  // is p. A key has the sum over its queries, in which each p is at most 1.
  void expect_alike_backward() const {
    const Results& cudnn = backward_[0];
    const Results& own = backward_[1];
    const AttentionSizes& sizes = operands_.of.sizes;
    const double d_p = 2 * static_cast<double>(sizes.head_dim) *
                       largest(own[6]) * largest(own[2]);
    const auto queries =
        static_cast<double>(sizes.queries * sizes.heads / sizes.kv_heads);
    const double scale = operands_.of.scale();
    expect_within(
        cudnn[7],
        own[7],
        kHalfUnit * (2 * scale * d_p * largest(own[1]) + 2 * largest(own[7])));
    expect_within(cudnn[8],
                  own[8],
                  kHalfUnit * (2 * scale * d_p * largest(own[0]) * queries +
                               2 * largest(own[8])));
    expect_within(
        cudnn[9],
        own[9],
        kHalfUnit * (largest(own[6]) * queries + 2 * largest(own[9])));
  }

 private:
  static constexpr double kHalfUnit =
      std::is_same_v<Half, Bf16> ? 0x1p-8 : 0x1p-11;
  using Results = std::vector<Values>;

  template <typename Op>
  Op counted(const Op& op) {
    asked_ += problem_of(op) ? 1 : 0;
    return op;
  }

  template <typename Make>
  std::vector<Results> both(const std::vector<Operand>& operands,
                            const Make& make) {
    AttentionBy& by = attention_by(tested_device().stream);
    std::vector<Results> results;
    for (const AttentionBy each :
         {AttentionBy::kLibrary, AttentionBy::kKernels}) {
      by = each;
      results.push_back(results_of<Half>(operands, make));
    }
    return results;
  }

  AttentionOperands operands_;
  std::vector<Results> forward_;
  std::vector<Results> backward_;
  int asked_ = 0;
};

template <typename Half>
void expect_alike() {
  int asked = 0;
  for (const AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    if (example.of.distances > 0) {
      continue;  // cuDNN is not asked for biases
    }
    const Pair<Half> pair(example.of);
    pair.expect_alike_forward();
    pair.expect_alike_backward();
    asked += pair.asked();
  }
  EXPECT_GT(asked, 0);
}

TEST_F(CudnnAttention, OfBf16IsThatOfTheKernels) {
  expect_alike<Bf16>();
}

TEST_F(CudnnAttention, OfF16IsThatOfTheKernels) {
  expect_alike<F16>();
}

}  // namespace
}  // namespace dure::kernels
