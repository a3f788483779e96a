// run.json: every start of a run, when, where and on what; docs/formats/run.md.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/comm/host_ranks.h"
#include "dure/data/build_datasets.h"

namespace dure::train {

// A machine, as far as this process may use it.
struct HostFacts {
  std::string name = {};
  std::string processor = {};   // the system's name for it; empty: unknown
  std::int64_t cores = 0;       // 0: not known
  std::int64_t threads = 0;     // of hardware
  std::uint64_t memory = 0;     // bytes
  std::vector<int> ranks = {};  // those that are on it
  bool operator==(const HostFacts&) const = default;
};

struct DataFacts {
  struct File {
    std::string part = {};  // "train", "validation", "test"
    std::string prefix = {};
    std::int64_t documents = 0;
    std::int64_t tokens = 0;
    bool operator==(const File&) const = default;
  };

  std::string tokenizer = {};
  std::int64_t sequence = 0;
  std::string split = {};          // data.split
  std::int64_t train_samples = 0;  // available, over all epochs
  std::int64_t validation_samples = 0;
  std::int64_t test_samples = 0;
  std::int64_t epochs = 0;  // the most that the run reads a data set
  std::vector<File> files = {};
  bool operator==(const DataFacts&) const = default;
};

struct RunEnd {
  std::string time = {};
  double seconds = 0;     // since the start
  std::int64_t step = 0;  // the last that was made
  bool operator==(const RunEnd&) const = default;
};

struct RunStart {
  std::string time = {};        // "2026-11-29T18:28:31Z"
  std::string written_by = {};  // "dure 0.1.0 (11b18689c1)"
  std::int64_t step = 0;        // the last that was made before
  std::int64_t ranks = 1;
  std::string back_end = {};  // of the communicator: self, threads, mpi, sim
  double peak_flops = 0;      // of all ranks a second, measured
  std::vector<HostFacts> hosts = {};
  DataFacts data = {};
  std::optional<RunEnd> end = {};  // none: it goes on, or was broken off
  bool operator==(const RunStart&) const = default;
};

// Now, in UTC.
std::string utc_now();

// Collective. On rank 0 every host that has ranks, in the order of their first
// ranks; empty elsewhere.
std::vector<HostFacts> hosts_of_run(comm::HostRanks& ranks);

DataFacts facts_of(const data::DataConfig& config,
                   const data::Datasets& datasets);

// A line about the training data: "text, more: 1.2 M tokens of 340 documents,
// split 969,30,1, read up to 3 times".
std::string describe(const DataFacts& data);

// For nlohmann::ordered_json j = start and j.get<RunStart>(), which throws
// nlohmann's exceptions for JSON that to_json() would not have written.
void to_json(nlohmann::ordered_json& json, const RunStart& start);
void from_json(const nlohmann::ordered_json& json, RunStart& start);

// Throws Error, beginning with `source`, for text that is not such a file.
std::vector<RunStart> read_starts(std::string_view text,
                                  const std::string& source);

// The file of a current run, which is written whole each time.
class RunFile {
 public:
  enum class Before : std::uint8_t { kKept, kDropped };

  // Adds `start` to the starts in the file, or replaces them. A file that can't
  // be read is begun anew with a warning: no run has to stop for it.
  RunFile(Path path, RunStart start, Before before, const Log& log);

  void end(const RunEnd& end);

 private:
  void write() const;

  Path path_;
  std::vector<RunStart> starts_;
};

}  // namespace dure::train
