// The output of `dure parity`: lines for people, and JSON.
#pragma once

#include <cstdint>

#include "dure/parity/parity.h"

namespace dure::cli {

// Two layouts of one training, and how much of it.
struct ParitySides {
  train::Config layout;
  train::Config reference;
  std::int64_t steps = 0;
};

int ranks_in(const train::Config& config);

// Says which layouts are compared, and the bound of each quantity.
void print_head(const ParitySides& sides);

void print_step(const train::ParityStep& step);

// The verdict, where it agrees.
void print_end(const train::ParityReport& report);

// The object that `dure parity --help` documents.
void print_json(const ParitySides& sides, const train::ParityReport& report);

}  // namespace dure::cli
