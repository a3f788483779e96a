// Compares saving and loading a checkpoint with plain files of the same size.
//
//   checkpoint_bench [--preset NAME] [--directory DIR] [--repeats N] [--smoke]
//
// A checkpoint of the preset with AdamW's two states is saved and loaded again.
// Beside each is the disk's time in the same run: the same bytes by one
// sequential write() and fsync(), and by one sequential read(). "cold" reads
// after the kernel was told to drop the files from its cache, "warm" reads from
// the cache.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "bench/bench_main.h"
#include "bench/spread.h"
#include "bench/tiny_model.h"
#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/model/families/families.h"
#include "dure/model/weights.h"

namespace dure::bench {
namespace {

using checkpoint::CheckpointContent;
using checkpoint::CheckpointReader;
using checkpoint::FileDtype;
using checkpoint::SafetensorsFile;
using checkpoint::TensorHeader;
using checkpoint::TensorPiece;
using checkpoint::TensorTarget;

struct Options {
  model::ModelConfig model = model::resolve(model::preset("gpt2-124m"));
  std::string directory = std::filesystem::temp_directory_path();
  int repeats = 5;
};

// Bytes that no file system can compress.
std::vector<std::byte> noise(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint64_t state = 1;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

// Weights and two states, all views of one memory.
struct Content {
  explicit Content(const model::ModelConfig& config) {
    const auto specs = model::weights(config);
    for (const model::WeightSpec& spec : specs) {
      parameters +=
          static_cast<std::size_t>(checkpoint::elements_of(spec.logical));
    }
    memory = noise(parameters * 12);
    std::size_t at = 0;
    for (const char* state : {"", ".momentum", ".variance"}) {
      auto& tensors = *state == 0 ? value.model : value.optimizer;
      for (const model::WeightSpec& spec : specs) {
        const TensorHeader header{
            spec.name + state, FileDtype::kF32, spec.logical};
        const auto bytes = checkpoint::bytes_of(header);
        tensors.push_back(header);
        where.emplace(header.name, std::span(memory).subspan(at, bytes));
        at += bytes;
      }
    }
    value.manifest.model = config;
  }

  std::size_t parameters = 0;
  std::vector<std::byte> memory;
  CheckpointContent value;
  std::map<std::string, std::span<const std::byte>, std::less<>> where;
};

void save(const Path& folder, const Content& content) {
  checkpoint::save_checkpoint(
      folder,
      checkpoint::plan_checkpoint(content.value),
      [&](const TensorPiece& piece) {
        return checkpoint::PieceBytes{
            content.where.find(piece.tensor)
                ->second.subspan(piece.first, piece.bytes)};
      });
}

void drop_from_cache(const Path& path) {
  const int file = ::open(path.c_str(), O_RDONLY);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

void plain_write(const Path& path, std::span<const std::byte> bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    DURE_CHECK(put > 0, "can't write {}", path.string());
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  DURE_CHECK(::fsync(file) == 0, "can't sync {}", path.string());
  ::close(file);
}

void plain_read(const Path& path, std::span<std::byte> bytes) {
  const int file = ::open(path.c_str(), O_RDONLY);
  while (!bytes.empty()) {
    const ssize_t got = ::read(file, bytes.data(), bytes.size());
    DURE_CHECK(got > 0, "can't read {}", path.string());
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  ::close(file);
}

void load_file(const SafetensorsFile& file, std::span<std::byte> memory) {
  std::vector<TensorTarget> targets;
  std::size_t at = 0;
  for (const auto& entry : file.tensors()) {
    targets.push_back({entry.name, memory.subspan(at, entry.bytes.size())});
    at += entry.bytes.size();
  }
  checkpoint::read_tensors(file, targets);
}

void load(const Path& folder, std::span<std::byte> memory) {
  const CheckpointReader reader(folder);
  load_file(reader.model(), memory);
  load_file(reader.optimizer(), memory.subspan(memory.size() / 3));
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        content_(options.model),
        memory_(content_.memory.size()),
        root_(Path(options.directory) /
              ("checkpoint_bench." + std::to_string(::getpid()))) {
    make_directories(root_);
  }
  ~Bench() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void run() {
    std::printf("%zu parameters, %.3f GB, %d repeats\n\n",
                content_.parameters,
                gigabytes(),
                options_.repeats);
    std::printf("| what | GB/s, median | least | most |\n");
    std::printf("| --- | --- | --- | --- |\n");
    const auto gone = [this] { remove(); };
    row(
        "plain write and fsync",
        [this] { plain_write(plain(), content_.memory); },
        gone);
    row(
        "save", [this] { save(saved(), content_); }, gone);
    plain_write(plain(), content_.memory);
    const auto cold = [this] { drop(); };
    row(
        "plain read, cold", [this] { plain_read(plain(), memory_); }, cold);
    row(
        "load, cold", [this] { load(saved(), memory_); }, cold);
    row("plain read, warm", [this] { plain_read(plain(), memory_); });
    row("load, warm", [this] { load(saved(), memory_); });
    row("verify, warm", [this] { CheckpointReader(saved()).verify(); });
  }

 private:
  double gigabytes() const {
    return static_cast<double>(content_.memory.size()) / 1e9;
  }
  Path plain() const { return root_ / "plain"; }
  Path saved() const { return root_ / "step_00000001"; }

  void remove() const {
    std::filesystem::remove_all(plain());
    std::filesystem::remove_all(saved());
    ::sync();
  }

  void drop() const {
    drop_from_cache(plain());
    for (const auto& entry : std::filesystem::directory_iterator(saved())) {
      drop_from_cache(entry.path());
    }
  }

  void row(
      const char* what,
      const std::function<void()>& work,
      const std::function<void()>& before = [] {}) const {
    std::vector<double> rates;
    for (int i = 0; i < options_.repeats; ++i) {
      before();
      rates.push_back(gigabytes() / measure(1, work).median);
    }
    const Spread spread = spread_of(rates);
    std::printf("| %s | %.2f | %.2f | %.2f |\n",
                what,
                spread.median,
                spread.least,
                spread.most);
    std::fflush(stdout);
  }

  Options options_;
  Content content_;
  std::vector<std::byte> memory_;
  Path root_;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--smoke") {
      options.model = model::resolve(tiny_model());
      options.repeats = 2;
      continue;
    }
    if (i + 1 == argc) {
      throw UsageError("unknown option, or one without its value: " + name);
    }
    const std::string value = argv[++i];
    if (name == "--preset") {
      options.model = model::resolve(model::preset(value));
    } else if (name == "--directory") {
      options.directory = value;
    } else if (name == "--repeats") {
      options.repeats = std::max(1, std::atoi(value.c_str()));
    } else {
      throw UsageError("unknown option: " + name);
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::Bench(dure::bench::parse(argc, argv)).run(); });
}
