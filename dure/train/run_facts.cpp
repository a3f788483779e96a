#include "dure/train/run_facts.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/limits.h"
#include "dure/base/process.h"
#include "dure/base/progress.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/split.h"
#include "dure/launch/machine.h"

namespace dure::train {
namespace {

using nlohmann::ordered_json;

HostFacts this_host() {
  const launch::Machine machine = launch::this_machine();
  return {.name = host_name(),
          .processor = launch::processor_name(),
          .cores = machine.cores,
          .threads = machine.threads,
          .memory = memory_limit().bytes};
}

ordered_json json_of(const HostFacts& host) {
  return {{"name", host.name},
          {"processor", host.processor},
          {"cores", host.cores},
          {"threads", host.threads},
          {"memory", host.memory},
          {"ranks", host.ranks}};
}

HostFacts host_of(const ordered_json& json) {
  HostFacts host;
  json.at("name").get_to(host.name);
  json.at("processor").get_to(host.processor);
  json.at("cores").get_to(host.cores);
  json.at("threads").get_to(host.threads);
  json.at("memory").get_to(host.memory);
  json.at("ranks").get_to(host.ranks);
  return host;
}

ordered_json json_of(const DataFacts& data) {
  ordered_json files = ordered_json::array();
  for (const DataFacts::File& file : data.files) {
    files.push_back({{"part", file.part},
                     {"prefix", file.prefix},
                     {"documents", file.documents},
                     {"tokens", file.tokens}});
  }
  return {{"tokenizer", data.tokenizer},
          {"sequence", data.sequence},
          {"split", data.split},
          {"train_samples", data.train_samples},
          {"validation_samples", data.validation_samples},
          {"test_samples", data.test_samples},
          {"epochs", data.epochs},
          {"files", files}};
}

DataFacts data_of(const ordered_json& json) {
  DataFacts data;
  json.at("tokenizer").get_to(data.tokenizer);
  json.at("sequence").get_to(data.sequence);
  json.at("split").get_to(data.split);
  json.at("train_samples").get_to(data.train_samples);
  json.at("validation_samples").get_to(data.validation_samples);
  json.at("test_samples").get_to(data.test_samples);
  json.at("epochs").get_to(data.epochs);
  for (const ordered_json& json_of_file : json.at("files")) {
    DataFacts::File file;
    json_of_file.at("part").get_to(file.part);
    json_of_file.at("prefix").get_to(file.prefix);
    json_of_file.at("documents").get_to(file.documents);
    json_of_file.at("tokens").get_to(file.tokens);
    data.files.push_back(std::move(file));
  }
  return data;
}

// Bytes that are not UTF-8 become U+FFFD.
std::string text_of(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

std::int64_t size_of(const std::unique_ptr<data::Dataset>& dataset) {
  return dataset == nullptr ? 0 : dataset->size();
}

std::vector<HostFacts> joined(const std::vector<std::string>& texts) {
  std::vector<HostFacts> hosts;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    HostFacts host = host_of(ordered_json::parse(texts[rank]));
    auto found =
        std::find_if(hosts.begin(), hosts.end(), [&](const HostFacts& other) {
          return other.name == host.name;
        });
    if (found == hosts.end()) {
      found = hosts.insert(hosts.end(), std::move(host));
    }
    found->ranks.push_back(static_cast<int>(rank));
  }
  return hosts;
}

}  // namespace

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::vector<HostFacts> hosts_of_run(comm::HostRanks& ranks) {
  if (!ranks.is_one_process()) {
    return joined(ranks.gather_texts(text_of(json_of(this_host()), -1)));
  }
  if (!ranks.is_first()) {
    return {};
  }
  HostFacts host = this_host();
  for (int rank = 0; rank < ranks.size(); ++rank) {
    host.ranks.push_back(rank);
  }
  return {host};
}

DataFacts facts_of(const data::DataConfig& config,
                   const data::Datasets& datasets) {
  DataFacts facts = {.tokenizer = config.tokenizer,
                     .sequence = config.sequence,
                     .split = config.split,
                     .train_samples = size_of(datasets.train),
                     .validation_samples = size_of(datasets.validation),
                     .test_samples = size_of(datasets.test),
                     .epochs = datasets.epochs};
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {
      {"train", &config.train},
      {"validation", &config.validation},
      {"test", &config.test}};
  for (const auto& [part, list] : lists) {
    for (const data::BlendPart& blend : data::parse_blend(*list)) {
      const data::IndexedDataset data(blend.prefix);
      facts.files.push_back({.part = part,
                             .prefix = blend.prefix,
                             .documents = data.documents(),
                             .tokens = data.tokens()});
    }
  }
  return facts;
}

std::string describe(const DataFacts& data) {
  std::string names;
  std::int64_t documents = 0;
  std::int64_t tokens = 0;
  for (const DataFacts::File& file : data.files) {
    if (file.part == "train") {
      names += (names.empty() ? "" : ", ") + file.prefix;
      documents += file.documents;
      tokens += file.tokens;
    }
  }
  return concat(names,
                ": ",
                with_prefix(static_cast<double>(tokens)),
                " tokens of ",
                documents,
                " documents",
                data.split.empty() ? "" : ", split " + data.split,
                data.epochs > 1 ? concat(", read up to ", data.epochs, " times")
                                : std::string());
}

void to_json(ordered_json& json, const RunStart& start) {
  ordered_json hosts = ordered_json::array();
  for (const HostFacts& host : start.hosts) {
    hosts.push_back(json_of(host));
  }
  json = {{"started", start.time},
          {"step", start.step},
          {"written_by", start.written_by},
          {"ranks", start.ranks},
          {"back_end", start.back_end},
          {"peak_flops", start.peak_flops},
          {"hosts", hosts},
          {"data", json_of(start.data)}};
  if (start.end) {
    json["ended"] = start.end->time;
    json["seconds"] = start.end->seconds;
    json["last_step"] = start.end->step;
  }
}

void from_json(const ordered_json& json, RunStart& start) {
  json.at("started").get_to(start.time);
  json.at("written_by").get_to(start.written_by);
  json.at("step").get_to(start.step);
  json.at("ranks").get_to(start.ranks);
  json.at("back_end").get_to(start.back_end);
  json.at("peak_flops").get_to(start.peak_flops);
  for (const ordered_json& host : json.at("hosts")) {
    start.hosts.push_back(host_of(host));
  }
  start.data = data_of(json.at("data"));
  if (json.contains("ended")) {
    start.end.emplace();
    json.at("ended").get_to(start.end->time);
    json.at("seconds").get_to(start.end->seconds);
    json.at("last_step").get_to(start.end->step);
  }
}

std::vector<RunStart> read_starts(std::string_view text,
                                  const std::string& source) {
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  DURE_CHECK(json.is_array(),
             source,
             ": wanted a JSON array with an object for each start of the run");
  std::vector<RunStart> starts;
  for (const ordered_json& start : json) {
    try {
      starts.push_back(start.get<RunStart>());
    } catch (const ordered_json::exception& error) {
      throw Error(concat(
          source, ": start ", starts.size() + 1, " is none: ", error.what()));
    }
  }
  return starts;
}

RunFile::RunFile(Path path, RunStart start, Before before, const Log& log)
    : path_(std::move(path)) {
  if (before == Before::kKept && std::filesystem::exists(path_)) {
    try {
      starts_ = read_starts(read_regular_file(path_), path_.string());
    } catch (const Error& error) {
      log.warning(concat(error.what(), "; it is begun anew"));
    }
  }
  starts_.push_back(std::move(start));
  write();
}

void RunFile::end(const RunEnd& end) {
  starts_.back().end = end;
  write();
}

void RunFile::write() const {
  write_file_atomically(path_, text_of(ordered_json(starts_), 1) + "\n");
}

}  // namespace dure::train
