#include "dure/optim/config.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/optim/optimizer.h"

namespace dure::optim {
namespace {

constexpr Choice<Warmup> kWarmups[] = {
    {"linear", Warmup::kLinear},
    {"log", Warmup::kLog},
};

constexpr Choice<DecayKind> kDecays[] = {
    {"constant", DecayKind::kConstant},
    {"linear", DecayKind::kLinear},
    {"cosine", DecayKind::kCosine},
    {"inverse-square-root", DecayKind::kInverseSquareRoot},
    {"wsd", DecayKind::kWsd},
};

constexpr Choice<DecayTo> kDecayTos[] = {
    {"minimum", DecayTo::kMinimum},
    {"zero", DecayTo::kZero},
};

constexpr Choice<WsdShape> kWsdShapes[] = {
    {"linear", WsdShape::kLinear},
    {"cosine", WsdShape::kCosine},
    {"exponential", WsdShape::kExponential},
    {"square-root", WsdShape::kSquareRoot},
};

// The names, and `own`, which code may have set although no name leads to it.
std::vector<Choice<const OptimizerRow*>> choices(const OptimizerRow* own) {
  std::vector<Choice<const OptimizerRow*>> all;
  for (const OptimizerRow* row : optimizers()) {
    all.push_back({row->name, row});
  }
  if (std::ranges::count(optimizers(), own) == 0) {
    all.push_back({own->name, own});
  }
  return all;
}

// The meaning of a number with its automatic value: "... ; auto: 0.95 for
// adamw".
std::string meaning_of(const std::string& meaning,
                       std::optional<double> OptimizerDefaults::*number) {
  std::string rows;
  for (const OptimizerRow* row : optimizers()) {
    if (const auto value = row->defaults.*number) {
      rows += fmt::format("{}{} for {}",
                          rows.empty() ? "" : ", ",
                          fmt::format("{}", *value),
                          row->name);
    }
  }
  return fmt::format("{}; auto: {}.", meaning, rows);
}

// An optimizer that does not read the number gets the first optimizer's.
void resolve_number(double& value,
                    std::optional<double> OptimizerDefaults::*number,
                    const OptimizerRow& row) {
  if (value == kAutomatic) {
    const auto own = row.defaults.*number;
    value = own.value_or((optimizers()[0]->defaults.*number).value());
  }
}

void visit_schedule(Fields& fields, OptimizerConfig& c) {
  fields.number("learning_rate",
                c.learning_rate,
                "The highest learning rate, reached after warm-up.");
  fields.number("minimum_learning_rate",
                c.minimum_learning_rate,
                "The learning rate never decays below it.");
  fields.whole("warmup_steps",
               c.warmup_steps,
               "Updates over which the learning rate rises from 0.");
  fields.choice("warmup",
                c.warmup,
                "How it rises: evenly, or with the logarithm of the step.",
                kWarmups);
  fields.choice("decay",
                c.decay,
                "How it falls after warm-up; wsd: stable, then a fall.",
                kDecays);
  fields.whole("decay_steps",
               c.decay_steps,
               "The update at which the fall ends; auto: train.steps.",
               {.least = 1, .automatic = 0});
  fields.choice("decay_to",
                c.decay_to,
                "Whether linear and cosine end at the minimum, or head for "
                "zero and stop at the minimum.",
                kDecayTos);
  fields.number("wsd_share",
                c.wsd_share,
                "The share of decay_steps, at their end, in which wsd falls.",
                {.most = 1, .low = End::kExcluded});
  fields.choice("wsd_shape", c.wsd_shape, "How wsd falls.", kWsdShapes);
}

}  // namespace

void visit(Fields& fields, OptimizerConfig& c) {
  fields.section("optimizer", "How weights are updated, and how fast.");
  const auto rows = choices(c.name);
  fields.choice("name", c.name, "The update rule.", std::span(rows));
  visit_schedule(fields, c);
  fields.number(
      "beta1",
      c.beta1,
      meaning_of("Decay of the mean of gradients", &OptimizerDefaults::beta1),
      {.most = 1, .high = End::kExcluded, .automatic = kAutomatic});
  fields.number("beta2",
                c.beta2,
                meaning_of("Decay of the mean of squared gradients; "
                           "where there is none, of the mean that is kept",
                           &OptimizerDefaults::beta2),
                {.most = 1, .high = End::kExcluded, .automatic = kAutomatic});
  fields.number("epsilon",
                c.epsilon,
                meaning_of("Added to the root of the mean square",
                           &OptimizerDefaults::epsilon),
                {.low = End::kExcluded, .automatic = kAutomatic});
  fields.number("momentum",
                c.momentum,
                "SGD: decay of the sum of gradients; 0: none is kept.",
                {.most = 1, .high = End::kExcluded});
  fields.number("weight_decay",
                c.weight_decay,
                "Pull of matrices towards 0, not of biases and norms.");
  fields.number("clip_gradient",
                c.clip_gradient,
                "Gradients are scaled down to this global norm; 0: never.");
}

void resolve(OptimizerConfig& c, std::int64_t steps) {
  resolve_number(c.beta1, &OptimizerDefaults::beta1, *c.name);
  resolve_number(c.beta2, &OptimizerDefaults::beta2, *c.name);
  resolve_number(c.epsilon, &OptimizerDefaults::epsilon, *c.name);
  if (c.decay_steps == 0) {
    c.decay_steps = steps;
  }
}

void validate(const OptimizerConfig& c) {
  if (c.minimum_learning_rate > c.learning_rate) {
    throw UsageError(
        "optimizer.minimum_learning_rate: wanted at most "
        "optimizer.learning_rate, {:g}, got {:g}",
        c.learning_rate,
        c.minimum_learning_rate);
  }
  const bool ends = c.decay == DecayKind::kLinear ||
                    c.decay == DecayKind::kCosine || c.decay == DecayKind::kWsd;
  if (ends && c.warmup_steps >= c.decay_steps) {
    throw UsageError(
        "optimizer.warmup_steps: wanted below "
        "optimizer.decay_steps, {}, got {}",
        c.decay_steps,
        c.warmup_steps);
  }
}

}  // namespace dure::optim
