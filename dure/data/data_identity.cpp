#include "dure/data/data_identity.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <span>
#include <xxhash.h>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::data {
namespace {

// Only so many pieces of a larger file are read.
constexpr std::size_t kWhole = std::size_t{256} << 20;
constexpr std::size_t kPieces = 1024;
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

std::string hash_of(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  std::array<char, 33> text{};
  std::snprintf(text.data(),
                text.size(),
                "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

// The first and last bytes are among the pieces.
std::string hash_of_pieces(std::span<const std::byte> bytes) {
  if (bytes.size() <= kWhole) {
    return hash_of(bytes);
  }
  std::string hashes;
  const std::size_t last = bytes.size() - kPieceBytes;
  for (std::size_t i = 0; i < kPieces; ++i) {
    const std::size_t at = i + 1 == kPieces ? last : last / (kPieces - 1) * i;
    hashes += hash_of(bytes.subspan(at, kPieceBytes));
  }
  return hash_of(std::as_bytes(std::span(hashes)));
}

std::optional<std::string> difference(const DataIdentity::Part& before,
                                      const DataIdentity::Part& now) {
  if (before.contents != now.contents) {
    return fmt::format(
        "the contents of {} are not those of {} when the run was saved",
        quoted(now.prefix),
        quoted(before.prefix));
  }
  if (before.range != now.range) {
    return fmt::format(
        "the run read documents {} to {} of {}, and would now read {} to {} "
        "(data.split)",
        before.range.begin,
        before.range.end,
        quoted(now.prefix),
        now.range.begin,
        now.range.end);
  }
  // Weights with the same shares may differ by the rounding of a sum.
  if (std::abs(before.weight - now.weight) > 1e-12) {
    return fmt::format(
        "the weight of {} among the training data was {:g}, and is {:g} "
        "(data.train)",
        quoted(now.prefix),
        before.weight,
        now.weight);
  }
  return std::nullopt;
}

}  // namespace

std::string contents_of(const IndexedDataset& data) {
  const std::string text = fmt::format("{} {} {}",
                                       hash_of(data.index_bytes()),
                                       data.bin_bytes().size(),
                                       hash_of_pieces(data.bin_bytes()));
  return hash_of(std::as_bytes(std::span(text)));
}

std::optional<std::string> difference(const DataIdentity& before,
                                      const DataIdentity& now) {
  if (before.sequence != now.sequence) {
    return fmt::format(
        "data.sequence was {}, and is {}", before.sequence, now.sequence);
  }
  if (before.parts.size() != now.parts.size()) {
    return fmt::format("data.train named {} data sets, and names {}",
                       before.parts.size(),
                       now.parts.size());
  }
  for (std::size_t i = 0; i < now.parts.size(); ++i) {
    if (auto found = difference(before.parts[i], now.parts[i])) {
      return found;
    }
  }
  if (before.order != now.order) {
    return fmt::format(
        "the order of the samples was of version {}, and is of version {}",
        static_cast<int>(before.order),
        static_cast<int>(now.order));
  }
  return std::nullopt;
}

void to_json(nlohmann::json& json, const DataIdentity& identity) {
  auto parts = nlohmann::json::array();
  for (const DataIdentity::Part& part : identity.parts) {
    parts.push_back({{"prefix", part.prefix},
                     {"contents", part.contents},
                     {"first_document", part.range.begin},
                     {"last_document", part.range.end},
                     {"weight", part.weight}});
  }
  json = {{"order", static_cast<int>(identity.order)},
          {"sequence", identity.sequence},
          {"parts", parts}};
}

void from_json(const nlohmann::json& json, DataIdentity& identity) {
  try {
    const int order = json.at("order").get<int>();
    DURE_CHECK(order == static_cast<int>(SampleOrder::kJoint) ||
                   order == static_cast<int>(SampleOrder::kByEpoch),
               "the order of the samples is of version {}, which this version "
               "of Dure does not know; use a newer one",
               order);
    identity = {.order = static_cast<SampleOrder>(order),
                .sequence = json.at("sequence").get<std::int64_t>(),
                .parts = {}};
    for (const nlohmann::json& part : json.at("parts")) {
      identity.parts.push_back(
          {.prefix = part.at("prefix").get<std::string>(),
           .contents = part.at("contents").get<std::string>(),
           .range = {part.at("first_document").get<std::int64_t>(),
                     part.at("last_document").get<std::int64_t>()},
           .weight = part.at("weight").get<double>()});
    }
  } catch (const nlohmann::json::exception&) {
    throw Error(
        "what the run read is not recorded as Dure records it: wanted an order,"
        " a sequence, and parts with prefix, contents, first_document, "
        "last_document and weight");
  }
}

}  // namespace dure::data
