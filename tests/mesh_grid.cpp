#include "tests/mesh_grid.h"

#include <algorithm>
#include <fmt/core.h>

#include "dure/optim/sgd.h"

namespace dure {
namespace {

using model::Recompute;
using parallel::ScheduleKind;
using train::Config;

// Enough blocks for two chunks on each of so many ranks: with the embedding and
// the head, every stage has a layer.
std::int64_t blocks_for(int pipe) {
  return pipe <= 4 ? 6 : 14;
}

Config config_of(const GridPoint& point) {
  Config config = point.model == GridModel::kGpt ? small_gpt() : small_llama();
  config.model.layers = blocks_for(point.layout.pipe);
  config.model.heads = 8;          // for eight tensor ranks,
  config.model.vocabulary = 1000;  // each has tokens of its own
  config.model.kv_heads = point.model == GridModel::kGpt ? 0 : 2;
  config.model.dropout = point.model == GridModel::kGpt ? 0.1 : 0;
  config.optimizer.name = &optim::kSgd;
  config.optimizer.momentum = 0.9;
  config.optimizer.learning_rate = 0.05;
  return config;
}

// The numbers of chunks that a schedule takes.
std::vector<int> chunks_of(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kInterleaved:
      return {1, 2};
    case ScheduleKind::kZbV:
      return {2};
    default:
      return {1};
  }
}

template <typename Function>
void for_each_schedule(Layout layout, Function&& function) {
  for (const auto& [name, kind] : parallel::schedules()) {
    if (!parallel::is_synchronous(kind)) {
      continue;
    }
    for (const int chunks : chunks_of(kind)) {
      layout.schedule = kind;
      layout.chunks = chunks;
      function(layout);
    }
  }
}

template <typename Function>
void for_each_of_mesh(const Layout& mesh, Function&& function) {
  for (const bool sequence : {false, true}) {
    if (sequence && mesh.tensor == 1) {
      continue;
    }
    for (const std::int64_t zero : {0, 1, 2, 3}) {
      for (const int each : {1, 2}) {
        for (const Recompute recompute :
             {Recompute::kNone, Recompute::kSelective, Recompute::kFull}) {
          Layout layout = mesh;
          layout.sequence = sequence;
          layout.zero = zero;
          layout.micro_batches = each * mesh.pipe;
          layout.recompute = recompute;
          for_each_schedule(layout, function);
        }
      }
    }
  }
}

}  // namespace

const char* name_of(GridModel model) {
  return model == GridModel::kGpt ? "gpt" : "llama";
}

std::vector<GridPoint> mesh_grid(int ranks) {
  std::vector<GridPoint> points;
  for (const GridModel model : {GridModel::kGpt, GridModel::kLlama}) {
    for (int pipe = 1; pipe <= ranks; ++pipe) {
      for (int data = 1; pipe * data <= ranks; ++data) {
        for (int tensor = 1; pipe * data * tensor <= ranks; tensor *= 2) {
          for_each_of_mesh({.pipe = pipe, .data = data, .tensor = tensor},
                           [&](const Layout& layout) {
                             points.push_back({model, layout});
                           });
        }
      }
    }
  }
  return points;
}

std::string text(const GridPoint& point) {
  return fmt::format("{}, {}", name_of(point.model), text(point.layout));
}

ParityOutcome GridRunner::outcome_of(const GridPoint& point) const {
  return run_layout(config_of(point), point.layout, steps_);
}

const ParityOutcome& GridRunner::remembered(const GridPoint& point) {
  const std::string key =
      fmt::format("{} blocks, {}", blocks_for(point.layout.pipe), text(point));
  const auto found = remembered_.find(key);
  if (found != remembered_.end()) {
    return found->second;
  }
  GridPoint plain = point;
  plain.layout.pipe = 1;
  Config config = config_of(point);
  return remembered_
      .emplace(key, run_layout(std::move(config), plain.layout, steps_))
      .first->second;
}

Distance GridRunner::run(const GridPoint& point) {
  const ParityOutcome here = outcome_of(point);
  GridPoint one = point;
  one.layout = alone(point.layout);
  one.layout.pipe = point.layout.pipe;  // of as many blocks
  GridPoint tensor_alone = one;
  tensor_alone.layout.tensor = point.layout.tensor;
  tensor_alone.layout.sequence = point.layout.sequence;
  const ParityOutcome& base = remembered(tensor_alone);
  const ParityOutcome& reference = remembered(one);
  return {.same_bits = here.losses == base.losses && here.norms == base.norms &&
                       here.validation == base.validation &&
                       here.weights == base.weights &&
                       here.gradients == base.gradients,
          .losses = worst(here.losses, reference.losses),
          .weights = worst_element(here.weights, reference.weights)};
}

}  // namespace dure
