// The GPT data set at 10^9 tokens: the time to open the files, to build the
// index and to load it from its cache, and the rate of samples.
//
//   dataset_bench [--tokens N] [--sequence S] [--directory DIR] [--smoke]
//
// The .bin is sparse: it has its size, but no blocks on the disk, so this code
// and the page cache are measured, not a disk. Its documents have 100 to 1,900
// tokens.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "bench/bench_main.h"
#include "bench/spread.h"
#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/random.h"
#include "dure/data/gpt_dataset.h"
#include "dure/data/indexed_format.h"

namespace dure::bench {
namespace {

struct Options {
  std::int64_t tokens = 1'000'000'000;
  std::int64_t sequence = 1024;
  std::string directory = std::filesystem::temp_directory_path();
  int repeats = 5;
  std::int64_t samples = 200'000;  // read in one measurement
};

double peak_megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024e-6 * static_cast<double>(usage.ru_maxrss);
}

std::vector<std::int32_t> document_lengths(std::int64_t tokens) {
  const RandomStream random(1, "lengths");
  std::vector<std::int32_t> lengths;
  while (tokens > 0) {
    const auto length = static_cast<std::int32_t>(std::min<std::int64_t>(
        tokens, 100 + random.below(1801, lengths.size())));
    lengths.push_back(length);
    tokens -= length;
  }
  return lengths;
}

template <typename T>
void put(AtomicFile& file, const std::vector<T>& values) {
  file.write(values.data(), values.size() * sizeof(T));
}

// Writes the .idx as data/indexed_writer.cpp draws it, and a .bin of zeros.
void write_sparse(const std::string& prefix,
                  const std::vector<std::int32_t>& lengths) {
  std::vector<std::int64_t> pointers;
  std::vector<std::int64_t> documents = {0};
  std::int64_t bytes = 0;
  for (std::int32_t length : lengths) {
    pointers.push_back(bytes);
    bytes += 2 * std::int64_t{length};
    documents.push_back(std::ssize(documents));
  }
  AtomicFile idx(prefix + ".idx");
  idx.write(data::kIndexMagic.data(), data::kIndexMagic.size());
  put(idx, std::vector<std::uint64_t>{data::kIndexVersion});
  put(idx, std::vector{data::TokenType::kU16});
  put(idx, std::vector<std::uint64_t>{lengths.size(), documents.size()});
  put(idx, lengths);
  put(idx, pointers);
  put(idx, documents);
  idx.commit();
  write_file_atomically(prefix + ".bin", "");
  DURE_CHECK(::truncate((prefix + ".bin").c_str(), bytes) == 0,
             "can't make {}.bin of {} bytes",
             prefix,
             bytes);
}

void print(const char* what, const char* unit, const Spread& spread) {
  std::printf("%-34s %9.4g %s  (%.4g to %.4g)\n",
              what,
              spread.median,
              unit,
              spread.least,
              spread.most);
}

// Reads samples in the order of training, which is random access to the files.
void read_samples(const data::Dataset& data, std::int64_t samples) {
  std::vector<std::int32_t> tokens(data.sample_tokens());
  const std::int64_t end = std::min(samples, data.size());
  for (std::int64_t i = 0; i < end; ++i) {
    data.sample(i, tokens);
  }
}

void measure_all(const Options& options, const std::string& prefix) {
  std::shared_ptr<const data::IndexedDataset> data;
  print("open and check the files", "s", measure(options.repeats, [&] {
          data = std::make_shared<const data::IndexedDataset>(prefix);
        }));
  const data::GptDatasetOptions gpt{.range = {0, data->sequences()},
                                    .sequence = options.sequence,
                                    .seed = 1,
                                    .vocabulary = 50257};
  const auto remove_cache = [&] {
    for (const auto& entry :
         std::filesystem::directory_iterator(Path(prefix).parent_path())) {
      if (entry.path().extension() == ".index") {
        std::filesystem::remove(entry.path());
      }
    }
  };
  std::optional<data::GptDataset> dataset;
  print("build and save the index", "s", measure(options.repeats, [&] {
          remove_cache();
          dataset.emplace(data, gpt);
        }));
  print("load the index", "s", measure(options.repeats, [&] {
          dataset.emplace(data, gpt);
        }));
  std::printf("%-34s %9.4g MB\n", "peak memory by then", peak_megabytes());
  read_samples(*dataset, options.samples);  // fills the page cache
  const auto count =
      static_cast<double>(std::min(options.samples, dataset->size()));
  Spread seconds = measure(options.repeats,
                           [&] { read_samples(*dataset, options.samples); });
  print("samples, one thread",
        "/s",
        {count / seconds.median, count / seconds.most, count / seconds.least});
  std::printf("%-34s %9lld of %lld tokens\n",
              "samples of an epoch",
              static_cast<long long>(dataset->size()),
              static_cast<long long>(dataset->sample_tokens()));
}

void run(const Options& options) {
  const Path directory = Path(options.directory) /
                         fmt::format("dure_dataset_bench_{}", ::getpid());
  make_directories(directory);
  const std::string prefix = (directory / "sparse").string();
  write_sparse(prefix, document_lengths(options.tokens));
  measure_all(options, prefix);
  std::filesystem::remove_all(directory);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--smoke") {
      options.tokens = 1'000'000;
      options.repeats = 2;
      continue;
    }
    DURE_CHECK(i + 1 < argc, "{} needs a value", name);
    const std::string value = argv[++i];
    if (name == "--tokens") {
      options.tokens = std::stoll(value);
    } else if (name == "--sequence") {
      options.sequence = std::stoll(value);
    } else {
      DURE_CHECK(name == "--directory", "unknown option {}", name);
      options.directory = value;
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::run(dure::bench::parse(argc, argv)); });
}
