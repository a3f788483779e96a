// manifest.json: the description of a checkpoint, and the files that make it
// whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/check.h"
#include "dure/model/config.h"

namespace dure::checkpoint {

inline constexpr int kManifestVersion = 1;

struct FileRecord {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t xxh64 = 0;  // of the whole file, seed 0
  bool operator==(const FileRecord&) const = default;
};

struct Manifest {
  model::ModelConfig model = {};  // resolved
  std::int64_t step = 0;
  std::int64_t consumed_samples = 0;
  // The whole random state: random numbers are functions of it and the
  // position.
  std::int64_t seed = 0;
  std::string config_hash = {};        // of the trainer's configuration
  std::string commit = {};             // of the program that wrote it
  std::vector<FileRecord> files = {};  // set when it is saved
};

// A sum as it is written: 16 hexadecimal digits.
std::string hex_of(std::uint64_t sum);

// A checkpoint of another version of Dure: it is not damaged, and must not be
// replaced.
class OtherVersion : public Error {
 public:
  using Error::Error;
};

// Includes a sum of its own text, so that a changed digit is found.
std::string to_json(const Manifest& manifest);

// Throws Error for text that is no manifest, or a damaged one; OtherVersion for
// a version that this program does not read. Messages call it `source`.
Manifest manifest_from_json(std::string_view json, const std::string& source);

// The model alone, as a JSON object of the keys of [model].
std::string model_to_json(const model::ModelConfig& config);

// Reads that object back. Throws Error for anything else. Messages call it
// `source`.
model::ModelConfig model_from_json(std::string_view json,
                                   const std::string& source);

// How alike two models must be. Names of presets, dropout and the scale of
// first weights may always differ.
enum class ModelMatch : std::uint8_t {
  kInAll,
  // The meaning of positions may differ if no weight depends on it:
  // max_sequence and rope_theta, with rope.
  kInWeights,
};

// The difference between two models, as "model.hidden is 64 there, wanted 32";
// empty if a checkpoint of one loads into the other.
std::string model_difference(const model::ModelConfig& there,
                             const model::ModelConfig& wanted,
                             ModelMatch alike = ModelMatch::kInAll);

}  // namespace dure::checkpoint
