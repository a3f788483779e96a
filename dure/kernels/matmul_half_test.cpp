// Products of 16-bit operands: the product of f32 operands of the same values,
// rounded once.
#include <cmath>
#include <fmt/core.h>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/matmul_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

constexpr OperandType kHalf = OperandType::kHalf;
constexpr OperandType kF32 = OperandType::kF32;

struct Types {
  OperandType y = kHalf;
  OperandType a = kHalf;
  OperandType b = kHalf;
  OperandType bias = kHalf;
  OperandType residual = kHalf;
};

constexpr Types kTypesOfLayers[] = {
    {},                             // a layer's
    {.y = kF32, .residual = kF32},  // of logits, or of gradients in f32
    {.a = kF32, .bias = kF32},      // of a gradient in f32 that goes on
};

std::vector<Types> all_types() {
  std::vector<Types> all;
  for (int bits = 0; bits < 32; ++bits) {
    const auto type = [&](int i) {
      return (bits >> i) % 2 == 0 ? kHalf : kF32;
    };
    all.push_back({type(0), type(1), type(2), type(3), type(4)});
  }
  return all;
}

enum class Addends : std::uint8_t { kNone, kBias, kResidual, kBoth, kY };
constexpr Addends kAllAddends[] = {Addends::kNone,
                                   Addends::kBias,
                                   Addends::kResidual,
                                   Addends::kBoth,
                                   Addends::kY};

struct Case {
  Size size;
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
  Addends addends = Addends::kNone;
};

std::string describe(const Case& c) {
  return fmt::format("{}, transposed {}{}, addends {}",
                     describe(c.size),
                     static_cast<int>(c.transpose_a),
                     static_cast<int>(c.transpose_b),
                     static_cast<int>(c.addends));
}

std::vector<Case> cases_of(const Size& size) {
  std::vector<Case> cases;
  for (const Transpose ta : kBoth) {
    for (const Transpose tb : kBoth) {
      for (const Addends addends : kAllAddends) {
        cases.push_back({size, ta, tb, addends});
      }
    }
  }
  return cases;
}

// The standard deviations of operands.
struct Magnitudes {
  double a = 1;
  double addends = 1;
};

// y, a, b, bias and residual, which product() shapes.
std::vector<Operand> operands_of(const Size& s, const Magnitudes& of = {}) {
  const auto random = [](std::int64_t count, const char* name, double size) {
    return Operand{.values = random_values(count, name, size),
                   .shape = {count}};
  };
  return {random(s.M * s.N, "y", of.addends),
          random(s.M * s.K, "a", of.a),
          random(s.K * s.N, "b", 1),
          random(s.N, "bias", of.addends),
          random(s.M * s.N, "residual", of.addends)};
}

std::vector<Operand> typed(std::vector<Operand> operands, const Types& types) {
  const OperandType each[] = {
      types.y, types.a, types.b, types.bias, types.residual};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    operands[i].type = each[i];
  }
  return operands;
}

MatMul product(const Case& c, const Tensors& t) {
  const auto [M, N, K] = c.size;
  const bool both = c.addends == Addends::kBoth;
  MatMul op{.y = t[0].reshaped({M, N}),
            .a = t[1].reshaped(shape_of_a(c.size, c.transpose_a)),
            .b = t[2].reshaped(shape_of_b(c.size, c.transpose_b)),
            .transpose_a = c.transpose_a,
            .transpose_b = c.transpose_b};
  if (both || c.addends == Addends::kBias) {
    op.bias = t[3];
  }
  if (both || c.addends == Addends::kResidual) {
    op.residual = t[4].reshaped({M, N});
  }
  op.write = c.addends == Addends::kY ? Write::kAdd : Write::kOverwrite;
  return op;
}

// The product of operands in memory, those of 16 bits as Half.
template <typename Half>
class ProductInMemory {
 public:
  explicit ProductInMemory(const std::vector<Operand>& operands) {
    for (const Operand& operand : operands) {
      narrow_.emplace_back(operand);
      wide_.emplace_back(operand);
      tensors_.push_back(operand.type == OperandType::kHalf
                             ? narrow_.back().tensor()
                             : wide_.back().tensor());
    }
  }

  const Tensors& tensors() const { return tensors_; }

 private:
  std::vector<Rounded<Half>> narrow_;
  std::vector<Rounded<float>> wide_;
  Tensors tensors_;
};

// On the CPU it has the bits of the product of f32 operands, rounded. A GPU
// adds in an order that depends on the types, so there the sum that is rounded
// is any number within the bound of a sum in f32.
template <typename Half, typename Make>
void expect_rounded_once_product(const std::vector<Operand>& operands,
                                 const Make& make) {
  if (!tests_cuda()) {
    return expect_rounded_once<Half>(operands, make);
  }
  const ProductInMemory<Half> memory(operands);
  const MatMul op = make(memory.tensors());
  const Reference reference(op, values_of(op.y));
  launch_here(op);
  expect_right(op, reference);
}

template <typename Half>
void expect_product_rounded_once(const std::vector<Operand>& operands,
                                 const Case& c) {
  SCOPED_TRACE(describe(c));
  expect_rounded_once_product<Half>(
      operands, [&](const Tensors& t) { return product(c, t); });
}

template <typename Half>
class HalfMatMul : public testing::Test {};
using HalfTypes = testing::Types<Bf16, F16>;
TYPED_TEST_SUITE(HalfMatMul, HalfTypes);

TYPED_TEST(HalfMatMul, IsTheProductInF32RoundedOnce) {
  const WithThreads with(1);  // which takes the least time
  std::vector<Size> sizes(std::begin(kSizes), std::end(kSizes));
  sizes.push_back({1100, 20, 770});  // several blocks of rows and of K
  for (const Size& size : sizes) {
    const std::vector<Operand> operands = operands_of(size);
    for (const Types& types : kTypesOfLayers) {
      for (const Case& c : cases_of(size)) {
        expect_product_rounded_once<TypeParam>(typed(operands, types), c);
      }
    }
  }
}

// One row, one panel of rows and several, one block of K and several; columns
// of a whole tile and of less.
constexpr Size kSmallSizes[] = {
    {1, 50, 70}, {3, 50, 70}, {3, 50, 770}, {9, 50, 70}, {9, 50, 770}};

TYPED_TEST(HalfMatMul, TakesEachOperandInAnyType) {
  for (const Size& size : kSmallSizes) {
    const std::vector<Operand> operands = operands_of(size);
    for (const Types& types : all_types()) {
      for (const Addends addends : kAllAddends) {
        expect_product_rounded_once<TypeParam>(
            typed(operands, types), {.size = size, .addends = addends});
      }
    }
  }
}

TYPED_TEST(HalfMatMul, IsRoundedOnceOnEveryInstructionSet) {
  if (tests_cuda()) {
    GTEST_SKIP() << "the CPU's instruction sets";
  }
  on_every_instruction_set([&] {
    for (const Size& size : kSmallSizes) {
      const std::vector<Operand> operands = operands_of(size);
      for (const Types& types : kTypesOfLayers) {
        for (const Case& c : cases_of(size)) {
          expect_product_rounded_once<TypeParam>(typed(operands, types), c);
        }
      }
    }
  });
}

TYPED_TEST(HalfMatMul, IsRoundedOnceOnAnyNumberOfThreads) {
  const std::vector<Operand> operands = operands_of(kShared);
  for (const int threads :
       tests_cuda() ? std::vector{1} : std::vector{1, 2, 3}) {
    SCOPED_TRACE(threads);
    const WithThreads with(threads);
    for (const Case& c : cases_of(kShared)) {
      expect_product_rounded_once<TypeParam>(operands, c);
    }
  }
}

// Results below the least normal number of f16, and beyond its largest.
TYPED_TEST(HalfMatMul, RoundsToSubnormalsAndToInfinity) {
  for (const Magnitudes of : {Magnitudes{1e-7, 1e-6}, Magnitudes{2e4, 1e4}}) {
    const Size size = {9, 50, 70};
    const std::vector<Operand> operands = operands_of(size, of);
    for (const Case& c : cases_of(size)) {
      expect_product_rounded_once<TypeParam>(operands, c);
    }
  }
}

TYPED_TEST(HalfMatMul, OfNoDepthIsTheSumOfItsAddendsRoundedOnce) {
  const Size size = {3, 50, 0};
  for (const Types& types : all_types()) {
    for (const Addends addends : kAllAddends) {
      expect_product_rounded_once<TypeParam>(
          typed(operands_of(size), types), {.size = size, .addends = addends});
    }
  }
}

// Every size has several blocks where an operand is widened for a GPU.
TYPED_TEST(HalfMatMul, OfManyColumnsIsTheProductInF32RoundedOnce) {
  const Size size = {3, 2100, 1050};
  const std::vector<Operand> operands = operands_of(size);
  for (const Types& types : {Types{.a = kF32, .bias = kF32},
                             Types{.y = kF32, .b = kF32},
                             Types{.residual = kF32}}) {
    for (const Case& c : cases_of(size)) {
      expect_product_rounded_once<TypeParam>(typed(operands, types), c);
    }
  }
}

// K has several blocks, and y is the residual of the first.
TYPED_TEST(HalfMatMul, TakesYAsItsOwnResidual) {
  const Size size = {29, 97, 1600};
  expect_rounded_once_product<TypeParam>(
      operands_of(size), [&](const Tensors& t) {
        MatMul op = product({.size = size, .addends = Addends::kBias}, t);
        op.residual = op.y;
        return op;
      });
}

TYPED_TEST(HalfMatMul, IsWithinTheBoundOfSumAndRounding) {
  for (const Size& size : kSizes) {
    std::vector<Rounded<TypeParam>> memory;
    Tensors t;
    for (const Operand& operand : operands_of(size)) {
      memory.emplace_back(operand);
    }
    for (Rounded<TypeParam>& operand : memory) {
      t.push_back(operand.tensor());
    }
    for (const Addends addends : kAllAddends) {
      const Case c = {size, Transpose::kNo, Transpose::kYes, addends};
      SCOPED_TRACE(describe(c));
      const MatMul op = product(c, t);
      const Values before = values_of(op.y);
      launch_here(op);
      expect_right(op, before);
    }
  }
}

// Whole tiles of columns and less, blocks of K, and a depth that no vector
// divides. A GPU adds in an
// order that depends on the number of rows.
TYPED_TEST(HalfMatMul, GivesARowTheSameBitsAloneAsAmongOthers) {
  const Size size = {21, 119, 1603};
  Rounded<TypeParam> a({random_values(size.M * size.K, "a"), {size.M, size.K}});
  Rounded<TypeParam> b({random_values(size.N * size.K, "b"), {size.N, size.K}});
  Rounded<TypeParam> y({Values(21 * 119), {size.M, size.N}});
  const MatMul op{.y = y.tensor(),
                  .a = a.tensor(),
                  .b = b.tensor(),
                  .transpose_b = Transpose::kYes};
  on_every_instruction_set([&] {
    launch_here(op);
    const Values all = y.values();
    for (std::int64_t m = 0; m < size.M; ++m) {
      MatMul row = op;
      row.y = op.y.rows(m, 1);
      row.a = op.a.rows(m, 1);
      launch_here(row);
    }
    if (!tests_cuda()) {
      EXPECT_EQ(y.values(), all);
    }
  });
  if (tests_cuda()) {
    expect_right(op, {});
  }
}

TYPED_TEST(HalfMatMul, PropagatesNanAndInfinity) {
  Values values(4 * 6, 1.0F);
  values[1] = std::numeric_limits<float>::quiet_NaN();
  values[3 * 6] = std::numeric_limits<float>::infinity();
  Rounded<TypeParam> a({values, {4, 6}});
  Rounded<TypeParam> b({Values(6 * 20, 1.0F), {6, 20}});
  Rounded<TypeParam> y({Values(4 * 20), {4, 20}});
  launch_here(MatMul{.y = y.tensor(), .a = a.tensor(), .b = b.tensor()});
  const Values result = y.values();
  for (std::size_t n = 0; n < 20; ++n) {
    EXPECT_TRUE(std::isnan(result[n]));
    EXPECT_EQ(result[20 + n], 6);
    EXPECT_TRUE(std::isinf(result[60 + n]));
  }
}

// A product of bf16 after `change(op, of)`, where of(shape, dtype) is an
// operand.
template <typename Change>
MatMul changed(const Change& change) {
  static Values memory(64);
  const auto of = [&](const Shape& shape) {
    return Tensor(memory.data(), shape, DType::kBf16);
  };
  MatMul op{.y = of({4, 6}), .a = of({4, 5}), .b = of({5, 6}), .bias = of({6})};
  change(op, [&](const Shape& shape, DType dtype) {
    return Tensor(memory.data(), shape, dtype);
  });
  return op;
}

TEST(HalfMatMul, RefusesBf16BesideF16) {
  const auto message_of = [](const MatMul& op) -> std::string {
    try {
      check(op);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message_of(changed([](MatMul&, auto) {})), "");
  EXPECT_EQ(message_of(changed([](MatMul& op, auto of) {
              op.a = of({4, 5}, DType::kF32);
            })),
            "");
  const std::string message = message_of(
      changed([](MatMul& op, auto of) { op.bias = of({6}, DType::kF16); }));
  EXPECT_NE(message.find("y is bf16, but bias is f16"), std::string::npos)
      << message;
  EXPECT_NE(message_of(changed([](MatMul& op, auto of) {
              op.residual = of({4, 6}, DType::kF64);
            })),
            "");
}

TEST(HalfMatMul, CountsTheBytesOfEachType) {
  const auto bytes_with = [](DType y, Write write) {
    return cost(changed([&](MatMul& op, auto of) {
             op.y = of({4, 6}, y);
             op.bias = {};
             op.write = write;
           }))
        .bytes;
  };
  const double operands = 2 * (4 * 5 + 5 * 6);
  EXPECT_EQ(bytes_with(DType::kBf16, Write::kOverwrite), operands + 2 * 24);
  EXPECT_EQ(bytes_with(DType::kBf16, Write::kAdd), operands + 2 * 2 * 24);
  EXPECT_EQ(bytes_with(DType::kF32, Write::kAdd), operands + 2 * 4 * 24);
}

}  // namespace
}  // namespace dure::kernels
