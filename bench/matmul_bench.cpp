// Compares matrix products of training and generation with oneDNN's sgemm.
//
//   matmul_bench [--smoke] [--repetitions N]
//
// The unit is the rate of oneDNN's sgemm on 2048 x 768 x 3072 (N 3072) in the
// same process, measured alternately with each product, so the machine's speed,
// load and clock cancel out. Figures are medians. On one thread (taskset -c 0)
// that thread's CPU time counts, which leaves out other processes. Operands are
// in an arena, as in training.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#ifdef DURE_WITH_ONEDNN
#include <oneapi/dnnl/dnnl.hpp>
#endif

#include "dure/base/arithmetic.h"
#include "dure/base/limits.h"
#include "dure/kernels/matmul.h"
#include "dure/tensor/arena.h"

namespace dure {
namespace {

using kernels::MatMul;
using kernels::Transpose;
using kernels::Write;

struct Problem {
  std::string name;
  std::int64_t M, N, K;
  Transpose a;
  Transpose b;
  Write write;
};

constexpr auto kNo = Transpose::kNo;
constexpr auto kYes = Transpose::kYes;

// Adds a linear layer's three products.
void add_layer(std::vector<Problem>& problems,
               const std::string& name,
               std::int64_t tokens,
               std::int64_t out,
               std::int64_t in) {
  problems.push_back({name, tokens, out, in, kNo, kYes, Write::kOverwrite});
  problems.push_back(
      {name + " d_x", tokens, in, out, kNo, kNo, Write::kOverwrite});
  problems.push_back({name + " d_w", out, in, tokens, kYes, kNo, Write::kAdd});
}

std::vector<Problem> gpt2_problems() {
  std::vector<Problem> problems;
  add_layer(problems, "qkv", 1024, 2304, 768);
  add_layer(problems, "projection", 1024, 768, 768);
  add_layer(problems, "ffn up", 1024, 3072, 768);
  add_layer(problems, "ffn down", 1024, 768, 3072);
  for (const std::int64_t rows : {256, 512, 1024}) {
    add_layer(problems, "head/" + std::to_string(rows), rows, 50304, 768);
  }
  for (const std::int64_t rows : {1, 2, 4, 8}) {
    const std::string name = "generate/" + std::to_string(rows);
    problems.push_back(
        {name + " ffn up", rows, 3072, 768, kNo, kYes, Write::kOverwrite});
    problems.push_back(
        {name + " head", rows, 50304, 768, kNo, kYes, Write::kOverwrite});
  }
  return problems;
}

std::vector<Problem> smoke_problems() {
  std::vector<Problem> problems;
  add_layer(problems, "layer", 64, 96, 48);
  return problems;
}

double seconds_now() {
  timespec now{};
  ::clock_gettime(
      usable_processors() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC,
      &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

OwnedTensor values_of(Arena& arena, std::int64_t rows, std::int64_t columns) {
  OwnedTensor values =
      arena.tensor({rows, columns}, Category::kWorkspace, DType::kF32);
  for (std::int64_t i = 0; i < values.elements(); ++i) {
    values.data<float>()[i] = static_cast<float>(i * 7919 % 1000) / 1000 - 0.5F;
  }
  return values;
}

// One product with its operands, by launch() or by oneDNN's sgemm.
class Product {
 public:
  Product(Arena& arena, const Problem& p)
      : problem_(p),
        a_(p.a == kYes ? values_of(arena, p.K, p.M)
                       : values_of(arena, p.M, p.K)),
        b_(p.b == kYes ? values_of(arena, p.N, p.K)
                       : values_of(arena, p.K, p.N)),
        y_(values_of(arena, p.M, p.N)) {}

  double gigaflops(Stream& stream) {
    return rate([&] {
      launch(stream,
             MatMul{.y = y_,
                    .a = a_,
                    .b = b_,
                    .bias = {},
                    .residual = {},
                    .transpose_a = problem_.a,
                    .transpose_b = problem_.b,
                    .write = problem_.write});
    });
  }

  // Returns 0 without oneDNN.
  double gigaflops_of_sgemm() {
#ifdef DURE_WITH_ONEDNN
    return rate([this] { sgemm(); });
#else
    return 0;
#endif
  }

 private:
  template <typename Work>
  double rate(const Work& work) const {
    const double start = seconds_now();
    work();
    return 2e-9 * static_cast<double>(problem_.M * problem_.N) *
           static_cast<double>(problem_.K) / (seconds_now() - start);
  }

#ifdef DURE_WITH_ONEDNN
  void sgemm() {
    const auto& [name, M, N, K, ta, tb, write] = problem_;
    dnnl::sgemm(ta == kYes ? 'T' : 'N',
                tb == kYes ? 'T' : 'N',
                M,
                N,
                K,
                1,
                a_.data<float>(),
                ta == kYes ? M : K,
                b_.data<float>(),
                tb == kYes ? K : N,
                write == Write::kAdd ? 1.0F : 0.0F,
                y_.data<float>(),
                N);
  }
#endif

  Problem problem_;
  OwnedTensor a_;
  OwnedTensor b_;
  OwnedTensor y_;
};

void measure(Arena& arena,
             const Problem& problem,
             Product& unit,
             int repetitions) {
  Stream stream(Device::kCpu);
  Product product(arena, problem);
  product.gigaflops(stream);
  product.gigaflops_of_sgemm();
  std::vector<double> units;
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (int i = 0; i < repetitions; ++i) {
    units.push_back(unit.gigaflops_of_sgemm());
    ours.push_back(product.gigaflops(stream));
    theirs.push_back(product.gigaflops_of_sgemm());
    ratios.push_back(units.back() > 0 ? ours.back() / units.back() : 0);
  }
  std::printf(
      "| %-19s | %5ld x %5ld x %5ld | %6.1f | %6.1f | %6.1f | %5.2f |\n",
      problem.name.c_str(),
      problem.M,
      problem.N,
      problem.K,
      median(ours),
      median(theirs),
      median(units),
      median(ratios));
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  int repetitions = 9;
  bool smoke = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
    } else if (std::strcmp(argv[i], "--repetitions") == 0 && i + 1 < argc) {
      repetitions = std::max(1, std::atoi(argv[++i]));
    } else {
      std::fprintf(stderr, "usage: matmul_bench [--smoke] [--repetitions N]\n");
      return 2;
    }
  }
  const std::vector<Problem> problems =
      smoke ? smoke_problems() : gpt2_problems();
  Problem unit{"unit", 2048, 3072, 768, kNo, kNo, Write::kOverwrite};
  if (smoke) {
    unit.M = 64;
    repetitions = 1;
  }
  Stream home = host_stream();
  Arena arena(home);
  Product unit_product(arena, unit);
  std::printf("%d threads; GFLOP/s; the unit is sgemm, M %ld, N %ld, K %ld\n\n",
              usable_processors(),
              unit.M,
              unit.N,
              unit.K);
  std::printf(
      "| product | M x N x K | Dure | sgemm on it | unit | Dure / unit |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  for (const Problem& problem : problems) {
    measure(arena, problem, unit_product, repetitions);
  }
  return 0;
}

}  // namespace
}  // namespace dure

int main(int argc, char** argv) {
  return dure::run(argc, argv);
}
