// The layout of a run: how ranks share the model, its state and the batch.
#pragma once

#include <cstdint>
#include <string>

#include "dure/config/config.h"

namespace dure {

struct Layout {
  int pipe = 1;
  int data = 1;
  int tensor = 1;
  bool sequence = false;
  std::int64_t zero = 0;
  std::int64_t zero_group = 0;
  parallel::ScheduleKind schedule = parallel::ScheduleKind::k1F1B;
  int chunks = 0;         // 0: as the schedule needs
  int micro_batches = 1;  // on each rank, in a step
  model::Recompute recompute = model::Recompute::kNone;
  bool parts = false;  // full recomputation with memory.partition_checkpoints

  int ranks() const { return pipe * data * tensor; }
};

// "pipe 2 x data 2 x tensor 2, rows cut, zero 1, zb-v, 4 micro-batches".
std::string text(const Layout& layout);

// The configuration for the layout, resolved. A micro-batch has one sample, a
// global batch has what the layout's ranks read, and there are several buckets
// of several weights.
train::Config configured(train::Config config, const Layout& layout);

}  // namespace dure
