#include "dure/roofline/operations.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/base/nearest.h"

namespace dure::roofline {
namespace {

struct Rates {
  double bytes;
  double flops;  // 0: flops can't be the bound
};

// If flops can't be the bound, the product is not run, because it is slow.
Rates measure_rates(Yardstick& yardstick,
                    const kernels::Cost& cost,
                    DType type) {
  constexpr double kFlopsAByte = 8;
  const bool may_be_bound_by_flops = cost.flops > kFlopsAByte * cost.bytes;
  return {yardstick.memory_rate(),
          may_be_bound_by_flops ? yardstick.product_rate(type) : 0};
}

double roofline_seconds(const kernels::Cost& cost, const Rates& rates) {
  return std::max(cost.bytes / rates.bytes,
                  rates.flops > 0 ? cost.flops / rates.flops : 0);
}

// The number of calls that take long enough for the clock: some 5 ms.
int calls_of(Problem& problem) {
  problem.seconds(1);  // warms up: pages, caches, algorithms
  return std::clamp(static_cast<int>(5e-3 / problem.seconds(1)), 1, 1000);
}

}  // namespace

OperationMeter::OperationMeter(Device device,
                               YardstickSize size,
                               int repetitions)
    : device_(device),
      repetitions_(repetitions),
      yardstick_(yardstick_of(device, size)) {}

std::optional<OperationRow> OperationMeter::measure(const ProblemLine& line,
                                                    DType type) {
  Problem problem(line, device_, type);
  if (!problem.has_type()) {
    return std::nullopt;
  }
  const int calls = calls_of(problem);
  const kernels::Cost cost = problem.cost();
  std::vector<double> seconds;
  std::vector<double> shares;
  for (int r = 0; r < repetitions_; ++r) {
    const Rates before = measure_rates(*yardstick_, cost, type);
    seconds.push_back(problem.seconds(calls) / calls);
    const Rates after = measure_rates(*yardstick_, cost, type);
    shares.push_back(std::min(roofline_seconds(cost, before),
                              roofline_seconds(cost, after)) /
                     seconds.back());
  }
  return OperationRow{.line = line,
                      .type = type,
                      .cost = cost,
                      .seconds = spread_of(seconds),
                      .share = spread_of(shares)};
}

std::vector<ProblemLine> problems_of(const std::string& name) {
  std::vector<std::string> names;
  for (const ProblemList& list : problem_lists()) {
    if (name == list.name) {
      return parse_lines(list.text, list.name);
    }
    names.emplace_back(list.name);
  }
  throw UsageError(
      "there is no list of problems {}{}", name, suggestion(name, names));
}

}  // namespace dure::roofline
