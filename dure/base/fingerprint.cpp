#include "dure/base/fingerprint.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>
#include <xxhash.h>

#include "dure/base/check.h"

namespace dure {
namespace {

constexpr std::uint64_t kWholeBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kSmallBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kBlock = std::uint64_t{1} << 16;
constexpr std::uint64_t kStretches = 256;  // of a large file: 16 MiB

class Sum {
 public:
  void add(std::string_view text) {
    sum_ = XXH3_64bits_withSeed(text.data(), text.size(), sum_ + 1);
  }
  void add(std::uint64_t number) {
    sum_ = XXH3_64bits_withSeed(&number, sizeof number, sum_ + 1);
  }
  std::uint64_t value() const { return sum_; }

 private:
  std::uint64_t sum_ = 0;
};

// Adds the block that begins there, or the rest of the file.
void add_block(Sum& sum, std::ifstream& file, std::uint64_t offset) {
  std::vector<char> block(kBlock);
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(block.data(), static_cast<std::streamsize>(kBlock));
  sum.add({block.data(), static_cast<std::size_t>(file.gcount())});
}

}  // namespace

std::uint64_t fingerprint(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

std::uint64_t fingerprint_of_file(const Path& path) {
  std::error_code error;
  const std::uint64_t bytes = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  DURE_CHECK(!error && file.good(), "can't read {}", path.string());
  Sum sum;
  sum.add(bytes);
  const std::uint64_t blocks = (bytes + kBlock - 1) / kBlock;
  const std::uint64_t read =
      bytes <= kWholeBytes ? blocks : std::min(blocks, kStretches);
  for (std::uint64_t i = 0; i < read; ++i) {
    // The first block and the last are among them.
    const std::uint64_t block = read < 2 ? 0 : i * (blocks - 1) / (read - 1);
    add_block(sum, file, block * kBlock);
  }
  return sum.value();
}

std::uint64_t fingerprint_of_folder(const Path& path) {
  std::vector<Path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  Sum sum;
  for (const Path& file : files) {
    const std::uint64_t bytes = std::filesystem::file_size(file, error);
    sum.add(file.filename().string());
    sum.add(bytes <= kSmallBytes ? fingerprint_of_file(file) : bytes);
  }
  return sum.value();
}

}  // namespace dure
