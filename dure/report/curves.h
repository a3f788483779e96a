// The curves of metrics.jsonl, and a line chart as a figure of the page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/report/choices.h"
#include "dure/report/line_chart.h"
#include "dure/report/metrics_series.h"

namespace dure::report {

double loss_of(const train::Metrics& line);
double learning_rate_of(const train::Metrics& line);
double norm_of(const train::Metrics& line);
double rate_of(const train::Metrics& line);
double utilization_of(const train::Metrics& line);  // percent

// The curves by step.
std::vector<Point> points_of(const MetricsSeries& metrics,
                             double (*value)(const train::Metrics&));
std::vector<Point> validation_points(const MetricsSeries& metrics);

// The seconds from the beginning to the end of each line, by the lines' rates:
// without evaluation, checkpoints and pauses.
std::vector<double> seconds_of(const MetricsSeries& metrics);

enum class WithTable : std::uint8_t { kYes, kNo };

// A figure, with a legend if there are several colours.
std::string figure(const LineChart& chart,
                   const std::string& about,
                   WithTable table = WithTable::kYes);

}  // namespace dure::report
