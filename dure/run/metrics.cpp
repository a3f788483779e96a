#include "dure/run/metrics.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"

namespace dure::train {
namespace {

using nlohmann::ordered_json;

// The step of a line, or nothing if the line is incomplete.
std::optional<std::int64_t> step_of(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("step") ||
      !json["step"].is_number_integer()) {
    return std::nullopt;
  }
  return json["step"].get<std::int64_t>();
}

// The lines of steps up to `last_step`.
std::string kept_lines(const Path& path, std::int64_t last_step) {
  if (last_step == 0 || !std::filesystem::exists(path)) {
    return "";
  }
  constexpr std::size_t kMostBytes = std::size_t{1} << 36;  // of any run
  const std::string text = read_file(path, kMostBytes);
  std::string kept;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    const std::optional<std::int64_t> step = step_of(line);
    if (step && *step <= last_step) {
      kept += line + "\n";
    }
    start = end + 1;
  }
  return kept;
}

ordered_json json_of(const ExponentHistogram& histogram) {
  return {{"below_least", histogram.share_below(kLeastOfFp16)},
          {"below_normal", histogram.share_below(kLeastNormalOfFp16)},
          {"first", histogram.first},
          {"counts", histogram.counts}};
}

ordered_json json_of(const GradientExponents& exponents) {
  ordered_json json = {{"elements", exponents.elements()},
                       {"zeros", exponents.zeros},
                       {"nonfinite", exponents.nonfinite},
                       {"unscaled", json_of(exponents.unscaled)}};
  if (exponents.scaled) {
    json["scaled"] = json_of(*exponents.scaled);
  }
  return json;
}

}  // namespace

std::string to_json(const Metrics& metrics) {
  ordered_json line = {
      {"step", metrics.step},
      {"loss", metrics.loss},
      {"learning_rate", metrics.learning_rate},
      {"grad_norm", metrics.grad_norm},
      {"tokens", metrics.tokens},
      {"tokens_per_second", metrics.tokens_per_second},
      {"model_flops_utilization", metrics.model_flops_utilization}};
  if (metrics.validation_loss) {
    line["validation_loss"] = *metrics.validation_loss;
  }
  if (metrics.loss_scale) {
    line["loss_scale"] = *metrics.loss_scale;
  }
  if (metrics.skipped) {
    line["skipped"] = *metrics.skipped;
  }
  if (metrics.gradient_exponents) {
    line["gradient_exponents"] = json_of(*metrics.gradient_exponents);
  }
  if (!metrics.communicated.empty()) {
    line["communicated"] = metrics.communicated;
  }
  return line.dump();
}

void add_test_loss(const Path& metrics, double loss) {
  const std::string text = std::filesystem::is_regular_file(metrics)
                               ? read_file(metrics)
                               : std::string();
  const std::size_t line = text.rfind('\n', text.size() - 2) + 1;
  if (line < text.size()) {
    ordered_json json = ordered_json::parse(text.substr(line));
    json["test_loss"] = loss;
    write_file_atomically(metrics, text.substr(0, line) + json.dump() + "\n");
  }
}

bool has_test_loss(const Path& metrics) {
  return std::filesystem::is_regular_file(metrics) &&
         read_file(metrics).find("\"test_loss\"") != std::string::npos;
}

MetricsFile::MetricsFile(Path path, std::int64_t last_step)
    : path_(std::move(path)) {
  write_file_atomically(path_, kept_lines(path_, last_step));
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  DURE_CHECK(descriptor_ >= 0,
             "can't open {}: {}",
             path_.string(),
             std::strerror(errno));
}

MetricsFile::~MetricsFile() {
  ::close(descriptor_);
}

void MetricsFile::append(const Metrics& metrics) {
  const std::string line = to_json(metrics) + "\n";
  const ssize_t put = ::write(descriptor_, line.data(), line.size());
  DURE_CHECK(put == static_cast<ssize_t>(line.size()),
             "can't write {}: {}",
             path_.string(),
             put < 0 ? std::strerror(errno) : "the disk is full");
}

}  // namespace dure::train
