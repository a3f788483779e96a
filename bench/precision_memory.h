// The memory of training steps in one precision, measured in a process of its
// own.
#pragma once

#include <cstddef>
#include <cstdio>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/precision_pairs.h"
#include "dure/base/check.h"
#include "dure/config/config.h"
#include "dure/data/dataset.h"
#include "dure/model/count.h"
#include "dure/plan/predict.h"
#include "dure/tensor/ledger.h"
#include "dure/train/trainer.h"

namespace dure::bench {

struct StepMemory {
  double states = 0;  // weights, gradients, masters and the optimizer's states
  double ledger = 0;  // the peak of everything
};

inline StepMemory memory_of_steps(const train::Config& config,
                                  const data::Dataset& data) {
  train::Rank rank({});
  train::Trainer trainer(rank, config);
  trainer.step(data);
  trainer.step(data);
  const Ledger& ledger = rank.arena.ledger();
  const auto peak = [&](Category category) {
    return static_cast<double>(ledger.peak(category));
  };
  return {.states = peak(Category::kParameters) + peak(Category::kGradients) +
                    peak(Category::kOptimizer),
          .ledger = static_cast<double>(ledger.peak())};
}

struct ProcessMemory {
  StepMemory steps;
  double resident = 0;  // the peak of its process
};

// Forks: the process must not have started threads.
inline ProcessMemory memory_of_process(const train::Config& config,
                                       const data::Dataset& data) {
  int ends[2];
  DURE_CHECK(::pipe(ends) == 0, "can't make a pipe");
  std::fflush(stdout);
  const pid_t child = ::fork();
  DURE_CHECK(child >= 0, "can't start a process");
  if (child == 0) {
    const StepMemory memory = memory_of_steps(config, data);
    const bool is_written =
        ::write(ends[1], &memory, sizeof memory) == sizeof memory;
    ::_exit(is_written ? 0 : 1);
  }
  ::close(ends[1]);
  ProcessMemory memory;
  const bool is_read = ::read(ends[0], &memory.steps, sizeof memory.steps) ==
                       sizeof memory.steps;
  ::close(ends[0]);
  rusage usage{};
  int status = 0;
  ::wait4(child, &status, 0, &usage);
  DURE_CHECK(is_read && status == 0, "the process that measures has failed");
  memory.resident = 1024.0 * static_cast<double>(usage.ru_maxrss);
  return memory;
}

inline void print_memory_header() {
  std::printf(
      "| precision | bytes a parameter | formula, MB | in the ledger, MB | "
      "planned peak, MB | ledger's peak, MB | resident peak, MB | "
      "resident / planned |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
}

// The formula is that of docs/precision.md, with AdamW and the default keys.
inline void print_memory_row(const Precision& precision,
                             const train::Config& config,
                             const data::Dataset& data) {
  const double bytes = precision.compute == train::Compute::kFp32 ? 16 : 18;
  const auto parameters =
      static_cast<double>(model::count(config.model).per_rank);
  const ProcessMemory memory = memory_of_process(config, data);
  const auto planned =
      static_cast<double>(plan::predict_memory(config).peak_total);
  std::printf("| %s | %.0f | %.1f | %.1f | %.1f | %.1f | %.1f | %.3f |\n",
              precision.name,
              bytes,
              1e-6 * bytes * parameters,
              1e-6 * memory.steps.states,
              1e-6 * planned,
              1e-6 * memory.steps.ledger,
              1e-6 * memory.resident,
              memory.resident / planned);
  std::fflush(stdout);
}

}  // namespace dure::bench
