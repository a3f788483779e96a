#include "dure/checkpoint/sharded/load_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/half.h"
#include "dure/checkpoint/sharded/same_files.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

bool stays_finite(float value, DType dtype) {
  return dtype == DType::kF16    ? std::isfinite(to_float(to_f16(value)))
         : dtype == DType::kBf16 ? std::isfinite(to_float(to_bf16(value)))
                                 : true;
}

// Checks that the values are finite, and stay so in the type that layers read.
void check_finite(const std::string& weight,
                  std::span<const mesh::Stretch> stretches,
                  std::span<const float> values,
                  DType dtype) {
  for (const mesh::Stretch& stretch : stretches) {
    const auto some = values.subspan(static_cast<std::size_t>(stretch.local),
                                     static_cast<std::size_t>(stretch.length));
    DURE_CHECK(std::all_of(some.begin(),
                           some.end(),
                           [](float value) { return std::isfinite(value); }),
               "weight {} holds NaN or infinity, so the model computes "
               "nothing; take a checkpoint from before that",
               weight);
    const auto beyond =
        std::find_if(some.begin(), some.end(), [&](float value) {
          return !stays_finite(value, dtype);
        });
    DURE_CHECK(beyond == some.end(),
               "weight {} holds {:g}, which is beyond the range of {}; read it "
               "in a wider type",
               weight,
               *beyond,
               name_of(dtype));
  }
}

}  // namespace

Path find_weights(comm::HostRanks& ranks, const Path& path, const Log& log) {
  const Path found = ranks.first_rank_says(
      [&] { return checkpoint::find_weights(path, log).string(); });
  expect_same_files(ranks, [&] { return facts_of_checkpoint(found); });
  return found;
}

void load_weights(Rank& rank,
                  RankModel& rank_model,
                  const checkpoint::WeightSource& source) {
  read_owned(rank,
             rank_model,
             first_masters(rank_model),
             [&](const std::string& weight,
                 std::span<const mesh::Stretch> stretches,
                 std::span<float> out) {
               source.read_stretches(weight, stretches, out);
               check_finite(weight, stretches, out, rank_model.types().compute);
             });
  rank_model.store().broadcast();
}

}  // namespace dure::train
