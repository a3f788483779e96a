// A profile's file: the measured times of a model's layers (model/profile.h),
// and the settings they were measured with. docs/formats/profile.md.
//
//   {"format": "dure-profile", "version": 1, "model": {...}, "micro_batch": 8,
//    "sequence": 1024, "threads": 2, "link_bytes_per_second": 9e9,
//    "layers": [{"type": "embedding", "forward_seconds": 0.01,
//                "backward_seconds": 0.02, "output_bytes": 25165824,
//                "weight_bytes": 157535232}, ...]}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dure/model/config.h"
#include "dure/model/profile.h"

namespace dure::train {

inline constexpr int kProfileVersion = 1;

struct ProfileFile {
  model::ModelConfig model = {};
  std::int64_t micro_batch = 1;
  std::int64_t sequence = 1;
  std::int64_t threads = 1;
  model::Profile profile = {};

  bool operator==(const ProfileFile&) const = default;
};

std::string to_json(const ProfileFile& file);

// Throws Error for text that is no profile, or one of a version that this
// program does not know. Messages call it `source`.
ProfileFile profile_from_json(std::string_view json, const std::string& source);

}  // namespace dure::train
