#include "dure/parity/bounds.h"

#include <algorithm>
#include <fmt/format.h>

#include "dure/optim/optimizer.h"
#include "dure/optim/sgd.h"

namespace dure::train {
namespace {

constexpr Bound kNone = std::nullopt;
constexpr Bounds kNothing = {kNone, kNone, kNone, kNone, kNone};

// These bounds stand in tests/tensor_parity_test.cpp and
// optimizer_parity_test.cpp, too, which say how near the measured figures are.
constexpr double kLosses = 1e-6;
constexpr double kElements = 1e-5;
constexpr double kNorms = 1e-5;
constexpr double kLossesOfOthers = 1e-5;
constexpr std::int64_t kMeasuredSteps = 20;

// In this order.
enum class Rule : std::uint8_t {
  kEveryBit,
  kSgd,
  kOtherOptimizers,
  kMicroBatches,
  kMicroBatchesAndOrder,
  kOwnGradients,
  kOtherTypes,
};

constexpr ParityRule kRules[] = {
    {.name = "every bit",
     .when = "one device, ranked sums, as many tensor ranks with rows cut "
             "alike, micro-batches of as many samples",
     .reason = "every sum is cut and added up alike",
     .first = {0, 0, 0, 0, 0},
     .later = {0, 0, 0, 0, 0},
     .steps = 0},
    {.name = "rounding, SGD",
     .when = "other tensor ranks, another device, or fast sums; SGD",
     .reason = "sums are added up in another order, and an update of SGD is as "
               "near as its gradient",
     .first = {kLosses, kElements, kNorms, kElements, kLosses},
     .later = {kLosses, kElements, kNorms, kElements, kLosses},
     .steps = kMeasuredSteps},
    {.name = "rounding, other optimizers",
     .when = "other tensor ranks, another device, or fast sums; not SGD",
     .reason = "sums are added up in another order, and an update that does "
               "not shrink with its gradient moves weights whose gradient is "
               "rounding alone by a whole step",
     .first = {kLosses, kElements, kNorms, kNone, kLossesOfOthers},
     .later = {kLossesOfOthers, kNone, kNone, kNone, kLossesOfOthers},
     .steps = kMeasuredSteps},
    {.name = "other micro-batches",
     .when = "micro-batches of other sizes",
     .reason = "sums over the rows of a batch end elsewhere; the loss alone is "
               "an exact sum",
     .first = {0, kNone, kNone, kNone, kNone},
     .later = kNothing,
     .steps = 0},
    {.name = "other micro-batches, rounding",
     .when = "micro-batches of other sizes; other tensor ranks, or another "
             "device",
     .reason = "sums over the rows of a batch end elsewhere, and products are "
               "added up in another order",
     .first = {kLosses, kNone, kNone, kNone, kNone},
     .later = kNothing,
     .steps = 0},
    {.name = "gradients of each rank",
     .when = "an optimizer that combines its ranks' gradients itself, other "
             "data-parallel ranks",
     .reason = "what the optimizer makes of them depends on how many they are",
     .first = {kLosses, kNone, kNone, kNone, kNone},
     .later = kNothing,
     .steps = 0},
    {.name = "other types",
     .when = "other keys of [precision]",
     .reason = "numbers are rounded to other types",
     .first = kNothing,
     .later = kNothing,
     .steps = 0},
};

// The unit roundoff.
double unit_of(DType dtype) {
  return dtype == DType::kBf16  ? 0x1p-8
         : dtype == DType::kF16 ? 0x1p-11
                                : 0x1p-24;
}

// It is the coarsest of all types that a step rounds to: gradients and masters
// have that of `compute`, or fp32.
double unit_of(const PrecisionConfig& precision) {
  return std::max(unit_of(compute_type(precision)),
                  unit_of(state_type(precision)));
}

void scale(Bounds& bounds, double factor) {
  for (Bound& bound : bounds) {
    if (bound) {
      *bound *= factor;
    }
  }
}

bool same_tensor_ranks(const ParallelConfig& a, const ParallelConfig& b) {
  return a.tensor == b.tensor && (a.tensor == 1 || a.sequence == b.sequence);
}

bool same_replicas(const ParallelConfig& a, const ParallelConfig& b) {
  return ranks_of(a, mesh::kReplicas) == ranks_of(b, mesh::kReplicas);
}

Rule find_rule(const Config& a, const Config& b) {
  if (a.precision != b.precision) {
    return Rule::kOtherTypes;
  }
  const optim::OptimizerRow& row = *a.optimizer.name;
  const bool same_products = same_tensor_ranks(a.parallel, b.parallel) &&
                             a.train.device == b.train.device;
  if (row.gradients == kernels::GradientOf::kThisRank &&
      !same_replicas(a.parallel, b.parallel)) {
    return Rule::kOwnGradients;
  }
  if (a.train.micro_batch != b.train.micro_batch) {
    return same_products ? Rule::kMicroBatches : Rule::kMicroBatchesAndOrder;
  }
  const bool ranked = a.parallel.sums == comm::SumOrder::kRanked &&
                      b.parallel.sums == comm::SumOrder::kRanked;
  if (same_products && ranked) {
    return Rule::kEveryBit;
  }
  return &row == &optim::kSgd ? Rule::kSgd : Rule::kOtherOptimizers;
}

std::string row_of(const ParityRule& rule,
                   const std::string& steps,
                   const Bounds& bounds) {
  std::string row = fmt::format("| {} | {} |", rule.when, steps);
  for (const Bound& bound : bounds) {
    row += fmt::format(" {} |", text_of(bound));
  }
  return row + "\n";
}

}  // namespace

const char* name_of(Quantity quantity) {
  constexpr const char* kNames[] = {
      "loss", "gradient", "norm", "weight", "evaluation"};
  return kNames[static_cast<std::size_t>(quantity)];
}

Bound ParityRule::bound(Quantity quantity, std::int64_t step) const {
  if (steps > 0 && step > steps) {
    return std::nullopt;
  }
  const bool is_first = step == 1 && quantity != Quantity::kEvaluation;
  return (is_first ? first : later)[static_cast<std::size_t>(quantity)];
}

std::span<const ParityRule> parity_rules() {
  return kRules;
}

ParityRule rule_of(const Config& layout, const Config& reference) {
  ParityRule rule =
      kRules[static_cast<std::size_t>(find_rule(layout, reference))];
  const double factor = unit_of(layout.precision) / unit_of(DType::kF32);
  scale(rule.first, factor);
  scale(rule.later, factor);
  return rule;
}

std::string text_of(Bound bound) {
  if (!bound) {
    return "none";
  }
  return *bound == 0 ? "every bit" : fmt::format("{:g}", *bound);
}

std::string parity_rules_table() {
  std::string table = "| layouts with | steps |";
  std::string line = "| --- | --- |";
  for (int q = 0; q < kQuantities; ++q) {
    table += fmt::format(" {} |", name_of(static_cast<Quantity>(q)));
    line += " --- |";
  }
  table += "\n" + line + "\n";
  for (const ParityRule& rule : kRules) {
    const bool ends = rule.steps > 0;
    if (rule.first == rule.later) {
      table += row_of(
          rule, ends ? fmt::format("1 to {}", rule.steps) : "any", rule.first);
    } else {
      table += row_of(rule, "1", rule.first);
      table += row_of(rule,
                      ends ? fmt::format("2 to {}", rule.steps) : "2 and later",
                      rule.later);
    }
  }
  return table;
}

}  // namespace dure::train
