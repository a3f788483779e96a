// When and where a run ran, and what it read, from run.json.
#include <fmt/format.h>
#include <utility>

#include "dure/report/markup.h"
#include "dure/report/sections.h"
#include "dure/report/ticks.h"
#include "dure/report/wall_time.h"

namespace dure::report {
namespace {

using train::HostFacts;
using train::RunStart;

// "2026-01-02 03:04:05 UTC" for "2026-01-02T03:04:05Z"; other texts stay.
std::string moment(const std::string& time) {
  if (time.size() != 20 || time[10] != 'T' || time.back() != 'Z') {
    return time;
  }
  return fmt::format("{} {} UTC", time.substr(0, 10), time.substr(11, 8));
}

Table starts_table(const std::vector<RunStart>& starts) {
  Table table = {.head = {"started",
                          "ended",
                          "duration",
                          "from step",
                          "to step",
                          "ranks",
                          "written by"},
                 .columns = {Column::kText,
                             Column::kText,
                             Column::kNumber,
                             Column::kNumber,
                             Column::kNumber,
                             Column::kText,
                             Column::kText}};
  for (const RunStart& start : starts) {
    table.rows.push_back(
        {moment(start.time),
         start.end ? moment(start.end->time) : "it goes on, or was broken off",
         start.end ? seconds_text(start.end->seconds) : "",
         std::to_string(start.step + 1),
         start.end ? std::to_string(start.end->step) : "",
         fmt::format("{}{}{})",
                     start.ranks,
                     start.ranks == 1 ? " rank (" : " ranks (",
                     start.back_end),
         start.written_by});
  }
  return table;
}

// "0-3, 8" for 0 1 2 3 8.
std::string ranges_text(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() &&
           numbers[last + 1] == numbers[last] + 1) {
      ++last;
    }
    text += text.empty() ? "" : ", ";
    text += last == i ? std::to_string(numbers[i])
                      : fmt::format("{}-{}", numbers[i], numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string or_unknown(std::int64_t count) {
  return count > 0 ? std::to_string(count) : "not known";
}

// The hosts of the last start, as they may change between starts.
Table hosts_table(const std::vector<HostFacts>& hosts) {
  Table table = {
      .head = {"host", "processor", "cores", "threads", "memory", "ranks"},
      .columns = {Column::kText,
                  Column::kText,
                  Column::kNumber,
                  Column::kNumber,
                  Column::kNumber,
                  Column::kText}};
  for (const HostFacts& host : hosts) {
    table.rows.push_back({host.name,
                          host.processor.empty() ? "not known" : host.processor,
                          or_unknown(host.cores),
                          or_unknown(host.threads),
                          bytes_text(static_cast<double>(host.memory)),
                          ranges_text(host.ranks)});
  }
  return table;
}

Table files_table(const train::DataFacts& data) {
  Table table = {.head = {"for", "data set", "documents", "tokens"},
                 .columns = {Column::kText, Column::kText}};
  for (const train::DataFacts::File& file : data.files) {
    table.rows.push_back(
        {data.split.empty() ? file.part : fmt::format("split {}", data.split),
         file.prefix,
         grouped(static_cast<std::uint64_t>(file.documents)),
         grouped(static_cast<std::uint64_t>(file.tokens))});
  }
  return table;
}

std::string samples_text(std::int64_t count, const char* what) {
  return count == 0
             ? ""
             : fmt::format(
                   ", {}{}", grouped(static_cast<std::uint64_t>(count)), what);
}

}  // namespace

std::string starts_section(const Report& report) {
  if (report.starts.empty()) {
    return "";
  }
  return fmt::format("<h2>Time and place</h2>\n{}{}",
                     to_html(starts_table(report.starts)),
                     to_html(hosts_table(report.starts.back().hosts)));
}

std::string data_section(const Report& report) {
  if (report.starts.empty()) {
    return "";
  }
  const train::DataFacts& data = report.starts.back().data;
  std::string text =
      fmt::format("Samples of {} tokens, by the tokenizer {}{}{}{}",
                  data.sequence,
                  data.tokenizer.empty() ? "(none named)" : data.tokenizer,
                  samples_text(data.train_samples, " for training"),
                  samples_text(data.validation_samples, " for validation"),
                  samples_text(data.test_samples, " for the test"));
  if (data.epochs > 0) {
    text += fmt::format("; the run reads its training data in {} epoch{}",
                        data.epochs,
                        data.epochs == 1 ? "" : "s at most");
  }
  if (!report.metrics.lines.empty()) {
    text += fmt::format(". Tokens read so far: {}",
                        grouped(static_cast<std::uint64_t>(
                            report.metrics.lines.back().tokens)));
  }
  return fmt::format("<h2>Data</h2>\n<p class=\"soft\">{}.</p>\n{}",
                     escape(text),
                     to_html(files_table(data)));
}

}  // namespace dure::report
