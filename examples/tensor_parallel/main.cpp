// Tensor parallelism, from the arithmetic of one product to a training step:
// how a matrix can be cut in two, why a feed-forward network is cut by columns
// and then by rows, how an embedding is looked up in parts, what each rank
// holds of a GPT, and that four ranks that share every matrix train like one.
// docs/tensor_parallel.md explains it.
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "dure/kernels/activation.h"
#include "dure/kernels/embedding.h"
#include "dure/kernels/matmul.h"
#include "dure/launch/run_ranks.h"
#include "dure/mesh/placement.h"
#include "dure/model/weights.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"

using namespace dure;  // NOLINT(google-build-using-namespace): short

namespace {

// A small matrix, row-major.
struct Matrix {
  Shape shape;
  std::vector<float> values;

  Matrix(std::int64_t rows, std::int64_t columns)
      : shape{rows, columns},
        values(static_cast<std::size_t>(rows * columns)) {}
  Matrix(std::int64_t rows, std::int64_t columns, std::vector<float> elements)
      : shape{rows, columns}, values(std::move(elements)) {}

  Tensor tensor() { return Tensor(values.data(), shape); }
  float at(std::int64_t row, std::int64_t column) const {
    return values[static_cast<std::size_t>(row * shape[1] + column)];
  }
};

Matrix columns(const Matrix& x, std::int64_t first, std::int64_t count) {
  Matrix part(x.shape[0], count);
  for (std::int64_t row = 0; row < x.shape[0]; ++row) {
    for (std::int64_t column = 0; column < count; ++column) {
      part.values[static_cast<std::size_t>(row * count + column)] =
          x.at(row, first + column);
    }
  }
  return part;
}

Matrix rows(const Matrix& x, std::int64_t first, std::int64_t count) {
  const auto begin = x.values.begin() + first * x.shape[1];
  return {count, x.shape[1], {begin, begin + count * x.shape[1]}};
}

Matrix product(Stream& stream, Matrix a, Matrix b) {
  Matrix y(a.shape[0], b.shape[1]);
  kernels::launch(
      stream,
      kernels::MatMul{.y = y.tensor(), .a = a.tensor(), .b = b.tensor()});
  return y;
}

Matrix gelu(Stream& stream, Matrix x) {
  Matrix y(x.shape[0], x.shape[1]);
  kernels::launch(stream, kernels::Gelu{.y = y.tensor(), .x = x.tensor()});
  return y;
}

Matrix sum_over(comm::Communicator& ranks, Stream& stream, Matrix x) {
  ranks.run(stream, comm::AllReduce{.y = x.tensor(), .x = x.tensor()});
  return x;
}

std::string text(const Matrix& x) {
  std::string result = "[";
  for (std::int64_t row = 0; row < x.shape[0]; ++row) {
    result += row > 0 ? " [" : "[";
    for (std::int64_t column = 0; column < x.shape[1]; ++column) {
      result += column > 0 ? " " : "";
      result += std::to_string(static_cast<int>(x.at(row, column)));
    }
    result += "]";
  }
  return result + "]";
}

// Calls function(world) on two ranks, one after another.
template <typename Function>
void in_turn(comm::Communicator& world, Stream& stream, Function&& function) {
  for (int rank = 0; rank < world.size(); ++rank) {
    if (rank == world.rank()) {
      function();
      std::fflush(stdout);
    }
    world.run(stream, comm::Barrier{});
  }
}

const Matrix kX(2, 4, {0, 1, 2, 3, 4, 5, 6, 7});
const Matrix kA(4, 2, {10, 14, 11, 15, 12, 16, 13, 17});

void cut_by_columns(comm::Communicator& world, Stream& stream) {
  const int r = world.rank();
  const Matrix part = product(stream, kX, columns(kA, r, 1));
  in_turn(world, stream, [&] {
    std::printf("  by columns, rank %d: X A_%d   = %s, a column of Y\n",
                r,
                r,
                text(part).c_str());
  });
}

void cut_by_rows(comm::Communicator& world, Stream& stream) {
  const int r = world.rank();
  const std::int64_t first = 2 * std::int64_t{r};
  const Matrix part =
      product(stream, columns(kX, first, 2), rows(kA, first, 2));
  const Matrix sum = sum_over(world, stream, part);
  in_turn(world, stream, [&] {
    std::printf("  by rows,    rank %d: X_%d A_%d = %s, the sum %s\n",
                r,
                r,
                r,
                text(part).c_str(),
                text(sum).c_str());
  });
}

// Computes gelu(X A) for X and A so small that it is not nearly linear.
void activate(comm::Communicator& world, Stream& stream) {
  Matrix a = kA;
  for (float& element : a.values) {
    element = 0.01F * (element - 13);
  }
  const int r = world.rank();
  const Matrix whole = gelu(stream, product(stream, kX, a));
  const Matrix by_column = gelu(stream, product(stream, kX, columns(a, r, 1)));
  const std::int64_t first = 2 * std::int64_t{r};
  const Matrix by_row = sum_over(
      world,
      stream,
      gelu(stream, product(stream, columns(kX, first, 2), rows(a, first, 2))));
  if (r == 0) {
    std::printf("  gelu of each rank's columns is gelu's columns: %s\n",
                by_column.values == columns(whole, 0, 1).values ? "yes" : "no");
    std::printf("  the sum of gelu of each rank's summands is gelu's: %s\n",
                by_row.values == whole.values ? "yes" : "no");
  }
}

// Rows 0 to 24,999 of a table are rank 0's, the others rank 1's.
void look_up(comm::Communicator& world, Stream& stream) {
  constexpr std::int64_t kRows = 25'000;
  std::vector<std::int32_t> ids = {0, 241, 43312, 3231, 28791, 3};
  Matrix table(kRows, 1);
  const std::int64_t first = world.rank() * kRows;
  std::iota(table.values.begin(), table.values.end(), float(first));
  Matrix y(std::ssize(ids), 1);
  kernels::launch(
      stream,
      kernels::Embedding{.y = y.tensor(),
                         .ids = Tensor(ids.data(), Shape{std::ssize(ids)}),
                         .token = table.tensor(),
                         .token_rows = {.first = first, .all = 2 * kRows}});
  const Matrix sum = sum_over(world, stream, y);
  in_turn(world, stream, [&] {
    std::printf("  rank %d: %s\n", world.rank(), text(y).c_str());
  });
  if (world.rank() == 0) {
    std::printf("  sum:    %s\n", text(sum).c_str());
  }
}

// Sample i counts up from i.
class Counting final : public data::Dataset {
 public:
  std::int64_t size() const override { return 1 << 20; }
  std::int64_t sample_tokens() const override { return 65; }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override {
    for (std::int32_t& token : tokens) {
      token = static_cast<std::int32_t>(index++ % 1000);
    }
  }
};

train::Config small_gpt(std::int64_t tensor, bool sequence) {
  train::Config config;
  config.model = {.layers = 2,
                  .hidden = 64,
                  .heads = 4,
                  .vocabulary = 1000,
                  .max_sequence = 64};
  config.data.sequence = 64;
  config.train.global_batch = 4;
  config.train.micro_batch = 4;
  config.parallel.data = 1;
  config.parallel.tensor = tensor;
  config.parallel.sequence = sequence;
  return train::resolve(config);
}

std::string text(const mesh::Dims& dims) {
  std::string result;
  for (const std::int64_t dim : dims) {
    result += result.empty() ? "" : " x ";
    result += std::to_string(dim);
  }
  return result;
}

void print_weights() {
  const model::ModelConfig config = small_gpt(1, false).model;
  std::printf("  %-38s%14s%14s%14s\n", "", "1 rank", "of 2", "of 4");
  for (const model::WeightSpec& spec : model::weights(config)) {
    if (spec.block > 0) {
      continue;  // as block 0
    }
    std::printf("  %-38s", spec.name.c_str());
    for (const std::int64_t tensor : {1, 2, 4}) {
      const auto place =
          mesh::Place().with(mesh::Axis::kTensor, {.count = tensor});
      for (const model::WeightSpec& cut : model::weights(config, tensor)) {
        if (cut.name == spec.name) {
          std::printf(
              "%14s",
              text(local_shape(cut.shape, cut.placement, place)).c_str());
        }
      }
    }
    std::printf("\n");
  }
}

void train_on(int tensor, bool sequence) {
  const train::Config config = small_gpt(tensor, sequence);
  launch::run_ranks({.ranks = tensor}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    train::Rank rank(options);
    train::Trainer trainer(rank, config);
    std::vector<double> losses;
    for (int step = 0; step < 3; ++step) {
      losses.push_back(trainer.step(Counting()).loss);
    }
    if (rank.is_first()) {
      std::printf(
          "  %d rank%s%-13s  loss %.4f %.4f %.4f   activations %7zu B\n",
          tensor,
          tensor > 1 ? "s" : " ",
          sequence ? ", rows cut" : "",
          losses[0],
          losses[1],
          losses[2],
          rank.arena.ledger().peak(Category::kActivations));
    }
  });
}

void print_all() {
  std::printf("X = %s, A = %s, Y = X A, on two ranks\n",
              text(kX).c_str(),
              text(kA).c_str());
  launch::run_ranks({.ranks = 2}, [](comm::Communicator& world) {
    Stream stream(Device::kCpu);
    cut_by_columns(world, stream);
    cut_by_rows(world, stream);
    activate(world, stream);
    if (world.rank() == 0) {
      std::printf("\nrows 0 241 43312 3231 28791 3 of a table of 50,000\n");
    }
    look_up(world, stream);
  });
  std::printf("\nwhat a rank holds of a GPT of 2 blocks of 64\n");
  print_weights();
  std::printf("\nthree steps of it\n");
  train_on(1, false);
  train_on(2, false);
  train_on(2, true);
  train_on(4, false);
  train_on(4, true);
}

}  // namespace

int main() {
  try {
    print_all();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
