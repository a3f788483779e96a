// Data parallelism, from the parameter server to overlapped buckets: four ranks
// train a small GPT by each form. The program prints the steps of the form's
// plan, the traffic of rank 0 and of another, the memory of each, and whether
// the weights are those of `dure train`, to the bit. docs/data_parallel.md
// explains it.
#include <cstdio>
#include <exception>
#include <iostream>
#include <span>
#include <vector>

#include "dure/launch/run_ranks.h"
#include "examples/data_parallel/form_trainer.h"

using namespace dure;  // NOLINT(google-build-using-namespace): short
using namespace dure::data_parallel;  // NOLINT(google-build-using-namespace)

namespace {

constexpr int kRanks = 4;
constexpr int kSteps = 3;
constexpr std::int64_t kRows = 512;      // 8 samples of 64 tokens
constexpr std::int64_t kColumns = 1024;  // of logits

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

train::Config small_gpt() {
  train::Config config;
  config.model = {.layers = 2,
                  .hidden = 64,
                  .heads = 4,
                  .vocabulary = 1024,
                  .max_sequence = 64};
  config.data.sequence = 64;
  config.train.global_batch = 8;
  config.train.micro_batch = 2;
  config.parallel.data = kRanks;
  config.parallel.sums = comm::SumOrder::kRanked;  // as one rank would add them
  return train::resolve(config);
}

// Rank 0's weights after some steps.
std::vector<float> train_by(Form form) {
  std::vector<float> weights;
  launch::run_ranks({.ranks = kRanks}, [&](comm::Communicator& world) {
    train::Rank rank({.world = &world});
    const auto trainer = make_form_trainer(rank, small_gpt(), form);
    for (int step = 0; step < kSteps; ++step) {
      trainer->step(Counting());
    }
    const nn::ParameterSet& parameters = trainer->parameters();
    for (const nn::Parameter& parameter : parameters.all()) {
      const std::span values(
          parameter.value.data<float>(),
          static_cast<std::size_t>(parameter.value.elements()));
      if (rank.is_first()) {
        weights.insert(weights.end(), values.begin(), values.end());
      }
    }
  });
  return weights;
}

void print_rank(const char* name, const FormPlan& plan, int rank) {
  const FormTraffic traffic = traffic_of(plan, rank);
  const FormMemory memory = memory_of(plan, rank);
  std::printf(
      "  %s  sends %8lld  receives %8lld  holds: parameters %lld, gradients "
      "%lld, optimizer %lld, what travels %lld\n",
      name,
      static_cast<long long>(traffic.sent),
      static_cast<long long>(traffic.received),
      static_cast<long long>(memory.parameters),
      static_cast<long long>(memory.gradients),
      static_cast<long long>(memory.optimizer),
      static_cast<long long>(memory.communication));
}

void print_form(const FormPlan& plan) {
  std::printf("%s\n", name_of(plan.form));
  for (const FormStep& step : plan.steps) {
    std::printf("    %s", name_of(step.action));
    if (step.travel) {
      std::printf(": %s of %lld elements",
                  name_of(step.travel->kind),
                  static_cast<long long>(step.travel->elements));
    }
    std::printf("\n");
  }
  print_rank("rank 0", plan, 0);
  print_rank("rank 3", plan, kRanks - 1);
}

}  // namespace

int main() {
  try {
    const std::vector<float> wanted = train_by(Form::kBuckets);
    for (const Form form : kForms) {
      print_form(plan_form(
          form,
          {.weights = std::ssize(wanted), .rows = kRows, .columns = kColumns},
          kRanks));
      std::printf("  weights after %d steps: %s\n\n",
                  kSteps,
                  train_by(form) == wanted ? "the trainer's" : "others!");
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
