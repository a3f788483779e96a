#include "dure/report/metrics_series.h"

#include <fmt/core.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::report {
namespace {

using nlohmann::json;

// A line and its place in the file.
class Line {
 public:
  Line(json object, std::string where)
      : object_(std::move(object)), where_(std::move(where)) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error("{}: {}", where_, what);
  }

  std::int64_t whole(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end() || !found->is_number_integer() ||
        found->get<std::int64_t>() < 0) {
      refuse(fmt::format("wanted a whole number \"{}\"", key));
    }
    return found->get<std::int64_t>();
  }

  bool has(const char* key) const { return object_.contains(key); }

  double number(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end() || !(found->is_number() || found->is_null())) {
      refuse(fmt::format("wanted a number \"{}\"", key));
    }
    return found->is_null() ? std::numeric_limits<double>::quiet_NaN()
                            : found->get<double>();
  }

  std::string text(const char* key) const {
    if (!object_.at(key).is_string()) {
      refuse(fmt::format("wanted a text \"{}\"", key));
    }
    return object_.at(key).get<std::string>();
  }

  train::GradientExponents exponents() const {
    const json& all = object_.at("gradient_exponents");
    train::GradientExponents exponents = {
        .zeros = count_in(all, "zeros"),
        .nonfinite = count_in(all, "nonfinite"),
        .unscaled = histogram_in(all, "unscaled")};
    if (all.contains("scaled")) {
      exponents.scaled = histogram_in(all, "scaled");
    }
    return exponents;
  }

  void add_traffic(Traffic& sum) const {
    const auto found = object_.find("communicated");
    if (found == object_.end()) {
      return;
    }
    for (const auto& [axis, kinds] : items(*found)) {
      for (const auto& [kind, bytes] : items(kinds)) {
        if (!bytes.is_number_unsigned()) {
          refuse(fmt::format("wanted bytes of {} as a whole number",
                             quoted(axis)));
        }
        sum[axis][kind] += bytes.get<std::uint64_t>();
      }
    }
  }

 private:
  [[noreturn]] void refuse_exponents() const {
    refuse("wanted \"gradient_exponents\" as docs/formats/run.md has it");
  }

  const json& part(const json& all, const char* key) const {
    if (!all.is_object() || !all.contains(key)) {
      refuse_exponents();
    }
    return all[key];
  }

  // So many at most that sums fit.
  std::int64_t count(const json& value) const {
    if (!value.is_number_unsigned() ||
        value.get<std::uint64_t>() > std::uint64_t{1} << 50) {
      refuse_exponents();
    }
    return value.get<std::int64_t>();
  }
  std::int64_t count_in(const json& all, const char* key) const {
    return count(part(all, key));
  }

  train::ExponentHistogram histogram_in(const json& all,
                                        const char* key) const {
    constexpr int kMost = 512;  // beyond the exponents of any run
    const json& histogram = part(all, key);
    const json& first = part(histogram, "first");
    const json& counts = part(histogram, "counts");
    const bool fits =
        first.is_number_unsigned()
            ? first.get<std::uint64_t>() < kMost
            : first.is_number_integer() && first.get<std::int64_t>() > -kMost;
    if (!fits || !counts.is_array() || counts.size() > std::size_t{2} * kMost) {
      refuse_exponents();
    }
    train::ExponentHistogram result = {.first = first.get<int>()};
    for (const json& value : counts) {
      result.counts.push_back(count(value));
    }
    return result;
  }

  const json::object_t& items(const json& value) const {
    if (!value.is_object()) {
      refuse("wanted \"communicated\" as bytes by axis and kind");
    }
    return value.get_ref<const json::object_t&>();
  }

  json object_;
  std::string where_;
};

train::Metrics metrics_of(const Line& line) {
  train::Metrics metrics = {
      .step = line.whole("step"),
      .loss = line.number("loss"),
      .learning_rate = line.number("learning_rate"),
      .grad_norm = line.number("grad_norm"),
      .tokens = line.whole("tokens"),
      .tokens_per_second = line.number("tokens_per_second"),
      .model_flops_utilization = line.number("model_flops_utilization")};
  if (line.has("validation_loss")) {
    metrics.validation_loss = line.number("validation_loss");
  }
  if (line.has("loss_scale")) {
    metrics.loss_scale = line.number("loss_scale");
  }
  if (line.has("gradient_exponents")) {
    metrics.gradient_exponents = line.exponents();
  }
  if (line.has("skipped")) {
    metrics.skipped = line.text("skipped");
  }
  return metrics;
}

void add(MetricsSeries& series, const Line& line) {
  train::Metrics metrics = metrics_of(line);
  if (!series.lines.empty() && metrics.step <= series.lines.back().step) {
    line.refuse(fmt::format(
        "step {} follows step {}", metrics.step, series.lines.back().step));
  }
  line.add_traffic(series.communicated);
  if (line.has("test_loss")) {
    series.test_loss = line.number("test_loss");
  }
  series.lines.push_back(std::move(metrics));
}

}  // namespace

MetricsSeries read_metrics(std::string_view text, const std::string& source) {
  MetricsSeries series;
  std::int64_t number = 1;
  for (std::size_t start = 0; start < text.size(); ++number) {
    const std::size_t end = text.find('\n', start);
    const std::string_view content = text.substr(start, end - start);
    json object = json::parse(content, nullptr, false);
    const std::string where = fmt::format("{}:{}", source, number);
    if (!object.is_object()) {
      if (end == std::string_view::npos) {
        break;
      }
      throw Error("{}: wanted a JSON object, found {}", where, quoted(content));
    }
    add(series, Line(std::move(object), where));
    start = end == std::string_view::npos ? text.size() : end + 1;
  }
  return series;
}

}  // namespace dure::report
