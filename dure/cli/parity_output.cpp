#include "dure/cli/parity_output.h"

#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "dure/cli/output.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;
using train::Config;
using train::Quantity;

const char* name_of(comm::SumOrder sums) {
  return sums == comm::SumOrder::kRanked ? "ranked" : "fast";
}

std::string text_of(const Config& config) {
  const train::ParallelConfig& parallel = config.parallel;
  const int ranks = ranks_in(config);
  return fmt::format(
      "{} rank{} = pipeline {} x data {} x tensor {}{}, {}, zero {}{}, {} "
      "sums, micro-batches of {} x {} tokens",
      ranks,
      ranks == 1 ? "" : "s",
      parallel.pipeline,
      parallel.data,
      parallel.tensor,
      parallel.sequence ? " (rows cut)" : "",
      parallel::name_of(parallel.schedule),
      parallel.zero,
      parallel.zero_group > 0
          ? fmt::format(" in groups of {}", parallel.zero_group)
          : "",
      name_of(parallel.sums),
      config.train.micro_batch,
      config.data.sequence);
}

// The bounds of all quantities at a step.
std::string bounds_text(const train::ParityRule& rule, std::int64_t step) {
  std::string text;
  for (int q = 0; q < train::kQuantities; ++q) {
    const auto quantity = static_cast<Quantity>(q);
    text += fmt::format("{}{} {}",
                        text.empty() ? "" : ", ",
                        train::name_of(quantity),
                        train::text_of(rule.bound(quantity, step)));
  }
  return text;
}

void print_bounds(const train::ParityRule& rule, std::int64_t steps) {
  fmt::print("\nheld to docs/numerics.md's bounds for {}:\n{}.\n",
             rule.when,
             rule.reason);
  if (rule.steps == 0 && rule.first == rule.later) {
    fmt::print("  every step  {}\n", bounds_text(rule, 1));
    return;
  }
  fmt::print("  step 1      {}\n", bounds_text(rule, 1));
  if (steps > 1) {
    fmt::print("  later ones  {}\n", bounds_text(rule, 2));
  }
  if (rule.steps > 0 && steps > rule.steps) {
    fmt::print("  after {:<4}  none: there is no bound for as many steps\n",
               rule.steps);
  }
}

// Relative; nothing where it was not compared.
std::string share_text(double share, bool is_there = true) {
  if (!is_there) {
    return "-";
  }
  return share == 0 ? "0" : fmt::format("{:.1e}", share);
}

// JSON has no infinity: null.
ordered_json json_of(train::Bound bound) {
  return bound ? ordered_json(*bound) : ordered_json();
}

ordered_json json_of(const Config& config) {
  const train::ParallelConfig& parallel = config.parallel;
  return {{"ranks", ranks_in(config)},
          {"pipeline", parallel.pipeline},
          {"data", parallel.data},
          {"tensor", parallel.tensor},
          {"sequence", parallel.sequence},
          {"zero", parallel.zero},
          {"zero_group", parallel.zero_group},
          {"schedule", parallel::name_of(parallel.schedule)},
          {"virtual_stages", parallel.virtual_stages},
          {"sums", name_of(parallel.sums)},
          {"micro_batch", config.train.micro_batch}};
}

ordered_json json_of(const train::ParityRule& rule, std::int64_t last) {
  ordered_json steps = ordered_json::array();
  for (std::int64_t step = 1; step <= last; ++step) {
    ordered_json bounds;
    for (int q = 0; q < train::kQuantities; ++q) {
      const auto quantity = static_cast<Quantity>(q);
      bounds[train::name_of(quantity)] = json_of(rule.bound(quantity, step));
    }
    steps.push_back(bounds);
  }
  return {{"rule", rule.name},
          {"when", rule.when},
          {"reason", rule.reason},
          {"steps", steps}};
}

ordered_json json_of(const train::ParityStep& step) {
  const auto elements = [&](double difference) {
    return step.has_elements ? ordered_json(difference) : ordered_json();
  };
  return {{"step", step.step},
          {"loss", step.loss},
          {"reference_loss", step.reference_loss},
          {"loss_difference", step.loss_difference},
          {"norm", step.norm},
          {"reference_norm", step.reference_norm},
          {"norm_difference", step.norm_difference},
          {"gradient_difference", elements(step.gradient_difference)},
          {"worst_gradient", step.worst_gradient},
          {"weight_difference", elements(step.weight_difference)},
          {"worst_weight", step.worst_weight}};
}

ordered_json json_of(const std::optional<train::ParityDifference>& found) {
  if (!found) {
    return {};
  }
  const bool is_element = !found->weight.empty();
  return {
      {"step", found->step},
      {"quantity", train::name_of(found->quantity)},
      {"weight", is_element ? ordered_json(found->weight) : ordered_json()},
      {"element", is_element ? ordered_json(found->element) : ordered_json()},
      {"index", is_element ? ordered_json(found->index) : ordered_json()},
      {"rank", found->rank},
      {"value", found->here},
      {"reference_value", found->reference},
      {"scale", found->scale},
      {"bound", found->bound}};
}

}  // namespace

int ranks_in(const Config& config) {
  return static_cast<int>(train::ranks_of(config.parallel));
}

void print_head(const ParitySides& sides) {
  const int ranks = ranks_in(sides.layout);
  fmt::print(
      "layout      {}\nreference   {}; messages count its ranks from {}\n",
      text_of(sides.layout),
      text_of(sides.reference),
      ranks);
  print_bounds(train::rule_of(sides.layout, sides.reference), sides.steps);
  fmt::print("\n{:>5}{:>13}{:>13}{:>11}{:>11}{:>11}{:>11}\n",
             "step",
             "loss",
             "norm",
             "d loss",
             "d norm",
             "d gradient",
             "d weight");
  std::fflush(stdout);
}

void print_step(const train::ParityStep& step) {
  put(fmt::format("{:>5}{:>13.6f}{:>13.6f}{:>11}{:>11}{:>11}{:>11}\n",
                  step.step,
                  step.loss,
                  step.norm,
                  share_text(step.loss_difference),
                  share_text(step.norm_difference),
                  share_text(step.gradient_difference, step.has_elements),
                  share_text(step.weight_difference, step.has_elements)));
}

void print_end(const train::ParityReport& report) {
  if (report.difference) {
    return;  // the error says it
  }
  const train::ParityStep& last = report.steps.back();
  fmt::print("\nevaluation  {:.6f}, the reference's {:.6f}\n",
             report.evaluation,
             report.reference_evaluation);
  for (const auto& [what, name] : {std::pair{"gradient", &last.worst_gradient},
                                   {"weight", &last.worst_weight}}) {
    if (!name->empty()) {
      fmt::print("the {} that is farthest after step {} is {}\n",
                 what,
                 last.step,
                 *name);
    }
  }
  fmt::print(
      "agrees: {} step{}, and {} weights and gradients of {} elements after "
      "each\n",
      report.steps.size(),
      report.steps.size() == 1 ? "" : "s",
      report.weights,
      report.elements);
}

void print_json(const ParitySides& sides, const train::ParityReport& report) {
  ordered_json steps = ordered_json::array();
  for (const train::ParityStep& step : report.steps) {
    steps.push_back(json_of(step));
  }
  const bool agrees = !report.difference.has_value();
  const auto evaluated = [&](double loss) {
    return agrees ? ordered_json(loss) : ordered_json();
  };
  put_json({{"agrees", agrees},
            {"layout", json_of(sides.layout)},
            {"reference", json_of(sides.reference)},
            {"bounds", json_of(report.rule, sides.steps)},
            {"weights", report.weights},
            {"elements", report.elements},
            {"steps", steps},
            {"evaluation", evaluated(report.evaluation)},
            {"reference_evaluation", evaluated(report.reference_evaluation)},
            {"difference", json_of(report.difference)}});
}

}  // namespace dure::cli
