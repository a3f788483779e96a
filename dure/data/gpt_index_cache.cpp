// The file, little-endian:
//
//   offset  bytes  field
//   0           8  magic, "DUREGIDX"
//   8           8  version, 1
//   16         16  key: XXH3 of what the index depends on, low word first
//   32          8  D, how many document places
//   40          8  N, how many samples
//   48          8  XXH3 of everything from offset 64 on
//   56          8  zero
//   64         4D  u32 documents
//            4N+4  u32 places
//            4N+4  u32 offsets
//              4N  u32 shuffle
#include "dure/data/gpt_index_cache.h"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fmt/core.h>
#include <span>
#include <utility>
#include <xxhash.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

struct Header {
  std::array<char, 8> magic = {'D', 'U', 'R', 'E', 'G', 'I', 'D', 'X'};
  std::uint64_t version = 1;
  GptIndexKey key{};
  std::uint64_t documents = 0;
  std::uint64_t samples = 0;
  std::uint64_t checksum = 0;
  std::uint64_t zero = 0;

  bool operator==(const Header&) const = default;
};
static_assert(sizeof(Header) == 64, "the words after it are aligned");

std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Header header_of(const GptIndexKey& key,
                 const GptIndexSizes& sizes,
                 std::span<const std::byte> payload) {
  Header header;
  header.key = key;
  header.documents = static_cast<std::uint64_t>(sizes.documents);
  header.samples = static_cast<std::uint64_t>(sizes.samples);
  header.checksum = checksum_of(payload);
  return header;
}

GptIndexKey hash(std::span<const std::byte> bytes) {
  const XXH128_hash_t value = XXH3_128bits(bytes.data(), bytes.size());
  return {value.low64, value.high64};
}

}  // namespace

GptIndexKey key_of(const IndexedDataset& data, const GptIndexInputs& inputs) {
  const GptIndexKey idx = hash(data.index_bytes());
  const bool joint = inputs.order == SampleOrder::kJoint;
  const std::string text = fmt::format(
      "gpt index {}, idx {} {}, range {} {}, sequence {}, epochs {}{}, seed {}",
      static_cast<int>(inputs.order),
      idx[0],
      idx[1],
      inputs.range.begin,
      inputs.range.end,
      inputs.plan.sequence,
      inputs.plan.epochs,
      joint ? fmt::format(", first block {}", inputs.plan.first_block) : "",
      inputs.seed);
  return hash(std::as_bytes(std::span(text)));
}

Path cache_path(const std::string& prefix,
                const std::string& directory,
                const GptIndexKey& key) {
  std::array<char, 17> hex{};
  std::snprintf(hex.data(),
                hex.size(),
                "%016llx",
                static_cast<unsigned long long>(key[0]));
  const Path beside = fmt::format("{}.gpt-{}.index", prefix, hex.data());
  return directory.empty() ? beside : Path(directory) / beside.filename();
}

void save_gpt_index(const Path& path,
                    const GptIndexKey& key,
                    const GptIndex& index) {
  const auto payload = std::as_bytes(index.words());
  const Header header = header_of(key, index.sizes(), payload);
  AtomicFile file(path);
  file.write(&header, sizeof header);
  file.write(payload.data(), payload.size());
  file.commit();
}

std::optional<GptIndex> load_gpt_index(const Path& path,
                                       const GptIndexKey& key,
                                       const GptIndexSizes& sizes) {
  if (!std::filesystem::exists(path)) {
    return std::nullopt;
  }
  MappedFile file(path);
  const auto bytes = file.bytes();
  const std::size_t wanted =
      sizeof(Header) + sizeof(std::uint32_t) * sizes.words();
  if (bytes.size() != wanted) {
    return std::nullopt;
  }
  Header found;
  std::memcpy(&found, bytes.data(), sizeof found);
  if (found != header_of(key, sizes, bytes.subspan(sizeof found))) {
    return std::nullopt;
  }
  return GptIndex(
      std::move(file), sizes, sizeof(Header) / sizeof(std::uint32_t));
}

GptIndex open_gpt_index(const IndexedDataset& data,
                        const GptIndexInputs& inputs,
                        const std::string& directory,
                        const Log* log) {
  const GptIndexKey key = key_of(data, inputs);
  const Path path = cache_path(data.prefix(), directory, key);
  if (auto loaded = load_gpt_index(path, key, GptIndexSizes(inputs))) {
    return std::move(*loaded);
  }
  GptIndex built = GptIndex::build(data.index(), inputs);
  try {
    if (!directory.empty()) {
      make_directories(directory);
    }
    save_gpt_index(path, key, built);
  } catch (const Error& error) {
    if (log != nullptr) {
      log->warning(
          fmt::format("the data index stays in memory: {}", error.what()));
    }
  }
  return built;
}

}  // namespace dure::data
