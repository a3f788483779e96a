#include "dure/train/weight_parts.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"

namespace dure::train {

using checkpoint::FileDtype;

std::vector<WeightPart> parts_of(std::span<const optim::Target> targets) {
  std::vector<WeightPart> parts;
  parts.reserve(targets.size());
  for (const optim::Target& target : targets) {
    parts.push_back({target.name, target.offset, target.weight});
  }
  return parts;
}

std::vector<WeightPart> parts_of(std::span<const optim::State> states) {
  std::vector<WeightPart> parts;
  parts.reserve(states.size());
  for (const optim::State& state : states) {
    parts.push_back({state.name, state.offset, state.tensor});
  }
  return parts;
}

std::int64_t elements_within(const WeightPart& part, std::int64_t elements) {
  return std::clamp<std::int64_t>(
      elements - part.offset, 0, part.values.elements());
}

void read_part(Stream& stream,
               const WeightPart& part,
               const checkpoint::SafetensorsFile& file,
               const checkpoint::Dims& shape) {
  const checkpoint::TensorEntry& entry = file.at(part.name);
  checkpoint::expect_tensor(entry, shape, file.path().string());
  DURE_CHECK(entry.dtype == FileDtype::kF32,
             file.path().string(),
             ": tensor ",
             part.name,
             " is ",
             name_of(entry.dtype),
             ", wanted F32");
  const std::int64_t n = part.values.elements();
  const Tensor flat = part.values.reshaped({n});
  const std::int64_t there =
      elements_within(part, checkpoint::elements_of(shape));
  if (there > 0) {
    launch(stream,
           kernels::Upload{
               .y = flat.rows(0, there),
               .host = entry.bytes.subspan(
                   static_cast<std::size_t>(part.offset) * sizeof(float),
                   static_cast<std::size_t>(there) * sizeof(float))});
  }
  if (there < n) {
    launch(stream, kernels::Fill{.y = flat.rows(there, n - there), .value = 0});
  }
}

}  // namespace dure::train
