// One update of a layer in mixed precision, by hand: an fp32 master and its
// fp16 copy, a forward and a backward in fp16, a loss scaled by 1024, and an
// update that unscales. Then what each of them is for: numbers that fp16 loses,
// and changes that a 16-bit weight cannot take. docs/precision.md explains it.
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

#include "dure/base/half.h"
#include "dure/base/random.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/scale_loss.h"
#include "dure/kernels/sgd.h"

using namespace dure;  // NOLINT(google-build-using-namespace): short

namespace {

constexpr float kScale = 1024;
constexpr float kLearningRate = 1;

// A matrix of elements of one type, row-major.
template <typename Element>
struct Matrix {
  Shape shape;
  std::vector<Element> elements;

  Matrix(std::int64_t rows, std::int64_t columns)
      : shape{rows, columns},
        elements(static_cast<std::size_t>(rows * columns)) {}

  Tensor tensor() { return Tensor(elements.data(), shape); }
  Tensor flat() { return tensor().reshaped({shape.elements()}); }
};

template <typename Element>
void show(const char* name, const Matrix<Element>& x) {
  std::printf("  %-22s", name);
  for (const Element element : x.elements) {
    std::printf(" %9.4f", static_cast<double>(to_float(element)));
  }
  std::printf("\n");
}

// The second layer of a small network: four inputs of eight numbers, one output
// each, and a mean squared error.
struct Layer {
  Matrix<float> master = Matrix<float>(1, 8);
  Matrix<F16> weight = Matrix<F16>(1, 8);
  Matrix<F16> x = Matrix<F16>(4, 8);
  std::vector<float> targets = {1.9F, 9.5F, 0.9F, 1.2F};

  Layer() {
    master.elements = {
        .2247F, .1487F, .0881F, -.2991F, .0971F, -.0459F, .2221F, -.1868F};
    const std::vector<float> inputs = {
        -.2388F, -.0356F, -.1086F, .4998F,  .0016F,  -.5134F, -.0702F, -.0403F,
        -.6645F, -.0950F, -.7363F, .5179F,  -.5337F, -.3007F, .6192F,  -.6999F,
        -.4698F, .1093F,  -.9383F, .2190F,  -.0976F, -.2578F, .8914F,  -.2335F,
        -.3563F, -.7386F, .2531F,  -.5503F, .1289F,  .4823F,  -.4234F, .9617F};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      x.elements[i] = to_f16(inputs[i]);
    }
  }
};

void update_by_hand(Stream& stream) {
  Layer layer;
  std::printf("one update in mixed precision\n");
  show("master, fp32", layer.master);
  launch(stream,
         kernels::Copy{.y = layer.weight.tensor(), .x = layer.master.tensor()});
  show("weight, its fp16 copy", layer.weight);

  Matrix<F16> y(4, 1);
  launch(stream,
         kernels::MatMul{.y = y.tensor(),
                         .a = layer.x.tensor(),
                         .b = layer.weight.tensor(),
                         .transpose_b = kernels::Transpose::kYes});
  show("outputs", y);
  float loss = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const float error = to_float(y.elements[i]) - layer.targets[i];
    loss += error * error / 4;
  }
  std::printf("  loss, fp32             %9.4f\n", static_cast<double>(loss));

  // The scale multiplies the loss, and with it every gradient.
  Matrix<float> scale(1, 1);
  Matrix<float> d_loss(1, 1);
  scale.elements = {kScale};
  launch(stream,
         kernels::ScaleLoss{
             .d_loss = d_loss.flat(), .loss_scale = scale.flat(), .weight = 1});
  Matrix<F16> d_y(4, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    const float error = to_float(y.elements[i]) - layer.targets[i];
    d_y.elements[i] = to_f16(d_loss.elements[0] * 2 * error / 4);
  }
  show("d_outputs x 1024", d_y);
  Matrix<F16> gradient(1, 8);
  launch(stream,
         kernels::MatMul{.y = gradient.tensor(),
                         .a = d_y.tensor(),
                         .b = layer.x.tensor(),
                         .transpose_a = kernels::Transpose::kYes});
  show("gradient x 1024, fp16", gradient);

  // The update unscales as it reads: its factor of gradients is 1 / 1024.
  std::vector<float> control(kernels::kDecisions + kernels::Sgd::kRates);
  control[kernels::kIsUpdated] = 1;
  control[kernels::kFactor] = 1 / kScale;
  control[kernels::kDecisions] = kLearningRate;
  const std::vector<kernels::UpdateSpan> spans = {
      {.master = layer.master.flat(),
       .weight = layer.weight.flat(),
       .gradient = gradient.flat()}};
  const Tensor of_control(control.data(),
                          Shape{static_cast<std::int64_t>(control.size())});
  launch(stream, kernels::Sgd{.spans = spans, .control = of_control});
  show("new master, fp32", layer.master);
  show("new weight, fp16", layer.weight);

  // An overflow skips the update: nothing changes.
  control[kernels::kIsUpdated] = 0;
  launch(stream, kernels::Sgd{.spans = spans, .control = of_control});
  show("after a skipped update", layer.master);
}

void lose_small_gradients() {
  std::printf("\na gradient in fp16, and what is left of it at scale 1024\n");
  for (const int power : {-10, -14, -20, -24, -26, -34}) {
    const float gradient = std::ldexp(1.3F, power);
    const double plain = to_float(to_f16(gradient));
    const double scaled = to_float(to_f16(gradient * kScale)) / kScale;
    std::printf("  1.3 x 2^%-4d plain %.3f, scaled %.3f of it\n",
                power,
                plain / gradient,
                scaled / gradient);
  }
}

// 1,000 changes of 2^-12 to a weight of 1. Near 1, bf16 numbers are 2^-7 apart.
void change_a_weight() {
  constexpr int kUpdates = 1000;
  const float change = 0x1p-12F;
  float master = 1;
  Bf16 nearest = to_bf16(1);
  Bf16 random = to_bf16(1);
  const RandomStream words(1, "rounding");
  for (int i = 0; i < kUpdates; ++i) {
    master += change;
    nearest = to_bf16(to_float(nearest) + change);
    random =
        to_bf16_stochastic(to_float(random) + change, words.bits(0, i + 1));
  }
  std::printf("\na weight of 1 after 1000 changes of 2^-12\n");
  std::printf("  an fp32 master, and its bf16 copy    %.4f %.4f\n",
              static_cast<double>(master),
              static_cast<double>(to_float(to_bf16(master))));
  std::printf("  bf16 alone, rounded to the nearest   %.4f\n",
              static_cast<double>(to_float(nearest)));
  std::printf("  bf16 alone, rounded stochastically   %.4f\n",
              static_cast<double>(to_float(random)));
}

}  // namespace

int main() {
  try {
    Stream stream(Device::kCpu);
    update_by_hand(stream);
    lose_small_gradients();
    change_a_weight();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
