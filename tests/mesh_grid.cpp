#include "tests/mesh_grid.h"

#include <algorithm>
#include <cstddef>
#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/setting.h"
#include "dure/optim/sgd.h"

namespace dure {
namespace {

using model::Recompute;
using parallel::ScheduleKind;
using train::Config;

// A dynamic loss scale starts at 2 to this.
constexpr std::int64_t kScalePower = 16;

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
  config.precision = point.precision;
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

// In the order of Quantity.
std::array<double, train::kQuantities> differences(const ParityOutcome& a,
                                                   const ParityOutcome& b) {
  return {worst(a.losses, b.losses),
          worst_element(a.gradients, b.gradients),
          worst(a.norms, b.norms),
          worst_element(a.weights, b.weights),
          worst({a.validation}, {b.validation})};
}

}  // namespace

const char* name_of(GridModel model) {
  return model == GridModel::kGpt ? "gpt" : "llama";
}

std::vector<GridPoint> mesh_grid(int ranks,
                                 const train::PrecisionConfig& precision) {
  std::vector<GridPoint> points;
  for (const GridModel model : {GridModel::kGpt, GridModel::kLlama}) {
    for (int pipe = 1; pipe <= ranks; ++pipe) {
      for (int data = 1; pipe * data <= ranks; ++data) {
        for (int tensor = 1; pipe * data * tensor <= ranks; tensor *= 2) {
          for_each_of_mesh({.pipe = pipe, .data = data, .tensor = tensor},
                           [&](const Layout& layout) {
                             points.push_back({model, layout, precision});
                           });
        }
      }
    }
  }
  return points;
}

train::PrecisionConfig precision_of(std::span<const std::string> settings) {
  train::PrecisionConfig precision;
  Fields fields;
  visit(fields, precision);
  std::vector<Setting> all;
  for (const std::string& setting : settings) {
    all.push_back(parse_set_argument(setting));
  }
  apply_settings(fields, all);
  return with_scale_power(precision);
}

train::PrecisionConfig with_scale_power(train::PrecisionConfig precision) {
  const bool is_dynamic = precision.compute == train::Compute::kFp16 &&
                          (precision.loss_scale == train::kAutoScale ||
                           precision.loss_scale == train::kDynamicScale);
  if (is_dynamic && precision.initial_scale_power == train::kAutoScale) {
    precision.initial_scale_power = kScalePower;
  }
  return precision;
}

std::string text(const train::PrecisionConfig& precision) {
  train::PrecisionConfig own = precision;
  train::PrecisionConfig standard = precision_of({});
  Fields fields;
  visit(fields, own);
  Fields others;
  visit(others, standard);
  std::string all;
  for (std::size_t i = 0; i < fields.all().size(); ++i) {
    const Field& field = fields.all()[i];
    std::string value = field.text();
    if (field.name == "compute" || value != others.all()[i].text()) {
      std::erase(value, '"');
      all += fmt::format("{}{}={}", all.empty() ? "" : " ", field.key(), value);
    }
  }
  return all;
}

std::string text(const GridPoint& point) {
  return fmt::format("{}, {}, {}",
                     name_of(point.model),
                     text(point.layout),
                     text(point.precision));
}

bool Distance::agrees() const {
  return text(*this).empty();
}

std::string text(const Distance& distance) {
  std::string beyond = distance.same_bits
                           ? ""
                           : "  other bits than the same tensor ranks alone\n";
  for (std::size_t q = 0; q < distance.from_one.size(); ++q) {
    const train::Bound& bound = distance.bounds[q];
    if (bound && !(distance.from_one[q] <= *bound)) {
      beyond +=
          fmt::format("  {}: {:g} from one rank's, at most {:g} allowed\n",
                      name_of(static_cast<train::Quantity>(q)),
                      distance.from_one[q],
                      *bound);
    }
  }
  return beyond;
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
  return {.same_bits = is_same(here, base),
          .from_one = differences(here, reference),
          .bounds = bounds_of(point, one)};
}

train::Bounds GridRunner::bounds_of(const GridPoint& point,
                                    const GridPoint& one) const {
  const train::ParityRule rule =
      train::rule_of(layout_config(config_of(point), point.layout),
                     layout_config(config_of(one), one.layout));
  train::Bounds bounds;
  for (int q = 0; q < train::kQuantities; ++q) {
    bounds[static_cast<std::size_t>(q)] =
        rule.bound(static_cast<train::Quantity>(q), steps_);
  }
  return bounds;
}

}  // namespace dure
