#include "dure/run/run_facts.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/limits.h"
#include "dure/base/process.h"
#include "dure/base/progress.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/split.h"
#include "dure/launch/machine.h"

namespace dure::train {

using nlohmann::ordered_json;

// These structs are objects of their members, which have here their keys.
static constexpr auto keys_of(const HostFacts* /*of*/) {
  return std::tuple(std::pair("name", &HostFacts::name),
                    std::pair("processor", &HostFacts::processor),
                    std::pair("cores", &HostFacts::cores),
                    std::pair("threads", &HostFacts::threads),
                    std::pair("memory", &HostFacts::memory),
                    std::pair("ranks", &HostFacts::ranks));
}

static constexpr auto keys_of(const DataFacts::File* /*of*/) {
  return std::tuple(std::pair("part", &DataFacts::File::part),
                    std::pair("prefix", &DataFacts::File::prefix),
                    std::pair("documents", &DataFacts::File::documents),
                    std::pair("tokens", &DataFacts::File::tokens));
}

static constexpr auto keys_of(const DataFacts* /*of*/) {
  return std::tuple(
      std::pair("tokenizer", &DataFacts::tokenizer),
      std::pair("sequence", &DataFacts::sequence),
      std::pair("split", &DataFacts::split),
      std::pair("train_samples", &DataFacts::train_samples),
      std::pair("validation_samples", &DataFacts::validation_samples),
      std::pair("test_samples", &DataFacts::test_samples),
      std::pair("epochs", &DataFacts::epochs),
      std::pair("files", &DataFacts::files));
}

static constexpr auto keys_of(const RunStart* /*of*/) {
  return std::tuple(std::pair("started", &RunStart::time),
                    std::pair("step", &RunStart::step),
                    std::pair("written_by", &RunStart::written_by),
                    std::pair("ranks", &RunStart::ranks),
                    std::pair("back_end", &RunStart::back_end),
                    std::pair("peak_flops", &RunStart::peak_flops),
                    std::pair("hosts", &RunStart::hosts),
                    std::pair("data", &RunStart::data));
}

static constexpr auto keys_of(const RunEnd* /*of*/) {
  return std::tuple(std::pair("ended", &RunEnd::time),
                    std::pair("seconds", &RunEnd::seconds),
                    std::pair("last_step", &RunEnd::step));
}

template <typename T>
concept HasKeys = requires(const T* facts) {
  keys_of(facts);
};

template <HasKeys T>
static void to_json(ordered_json& json, const T& facts) {
  std::apply([&](auto... key) { ((json[key.first] = facts.*key.second), ...); },
             keys_of(&facts));
}

template <HasKeys T>
static void from_json(const ordered_json& json, T& facts) {
  std::apply(
      [&](auto... key) { (json.at(key.first).get_to(facts.*key.second), ...); },
      keys_of(&facts));
}

namespace {

HostFacts this_host() {
  const launch::Machine machine = launch::this_machine();
  return {.name = host_name(),
          .processor = launch::processor_name(),
          .cores = machine.cores,
          .threads = machine.threads,
          .memory = memory_limit().bytes};
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
    auto host = ordered_json::parse(texts[rank]).get<HostFacts>();
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
    return joined(ranks.gather_texts(text_of(this_host(), -1)));
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
    for (const data::BlendSource& blend : data::parse_blend(*list)) {
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
  return fmt::format("{}: {} tokens of {} documents{}{}",
                     names,
                     with_prefix(static_cast<double>(tokens)),
                     documents,
                     data.split.empty() ? "" : ", split " + data.split,
                     data.epochs > 1
                         ? fmt::format(", read up to {} times", data.epochs)
                         : std::string());
}

void to_json(ordered_json& json, const RunStart& start) {
  to_json<RunStart>(json, start);
  if (start.end) {
    to_json(json, *start.end);
  }
}

void from_json(const ordered_json& json, RunStart& start) {
  from_json<RunStart>(json, start);
  if (json.contains("ended")) {
    start.end = json.get<RunEnd>();
  }
}

std::vector<RunStart> read_starts(std::string_view text,
                                  const std::string& source) {
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  DURE_CHECK(json.is_array(),
             "{}: wanted a JSON array with an object for each start of the run",
             source);
  std::vector<RunStart> starts;
  for (const ordered_json& start : json) {
    try {
      starts.push_back(start.get<RunStart>());
    } catch (const ordered_json::exception& error) {
      throw Error(
          "{}: start {} is none: {}", source, starts.size() + 1, error.what());
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
      log.warning(fmt::format("{}; it is begun anew", error.what()));
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
