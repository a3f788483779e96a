#include "dure/model/initialize.h"

#include <algorithm>
#include <vector>

#include "dure/base/random.h"
#include "dure/kernels/elementwise.h"

namespace dure::model {
namespace {

void fill(Stream& stream, Tensor y, float value) {
  launch(stream, kernels::Fill{.y = y, .value = value});
}

// Stretches of one length at one distance: rows of a matrix of `columns`
// columns, cut alike.
struct Block {
  mesh::Stretch first;
  std::int64_t rows = 1;
  std::int64_t columns = 0;
};

// Whether the stretch is the block's next row.
bool take(Block& block, const mesh::Stretch& stretch) {
  const std::int64_t distance = stretch.global - block.first.global;
  const std::int64_t columns = block.rows == 1 ? distance : block.columns;
  if (stretch.length != block.first.length ||
      distance != block.rows * columns ||
      block.first.global % columns + stretch.length > columns) {
    return false;
  }
  block.columns = columns;
  ++block.rows;
  return true;
}

std::vector<Block> blocks_of(const std::vector<mesh::Stretch>& stretches,
                             std::int64_t elements) {
  std::vector<Block> blocks;
  for (const mesh::Stretch& stretch : stretches) {
    if (blocks.empty() || !take(blocks.back(), stretch)) {
      blocks.push_back({.first = stretch, .columns = elements});
    }
  }
  return blocks;
}

}  // namespace

void initialize(Stream& stream,
                const WeightSpec& spec,
                std::uint64_t seed,
                const WeightSlice& slice) {
  if (spec.init.kind != Init::Kind::kNormal) {
    return fill(stream, slice.value, static_cast<float>(spec.init.value));
  }
  const std::int64_t n = slice.value.elements();
  const Tensor flat = slice.value.reshaped({n});
  const mesh::LocalPart part(spec.shape, spec.placement, slice.place);
  const std::int64_t drawn = std::clamp<std::int64_t>(
      part.before(mesh::elements(spec.logical)) - slice.offset, 0, n);
  const RandomStream random(seed, spec.name);
  for (const Block& block : blocks_of(part.stretches(slice.offset, drawn),
                                      mesh::elements(spec.shape))) {
    const auto& [local, global, length] = block.first;
    const std::int64_t row = global / block.columns;
    launch(stream,
           kernels::FillNormal{
               .y = flat.rows(local - slice.offset, block.rows * length)
                        .reshaped({block.rows, length}),
               .stream = random,
               .standard_deviation = static_cast<float>(spec.init.std),
               .first_row = row,
               .first_column = global % block.columns,
               .columns = block.columns,
               .filled_rows = row + block.rows});
  }
  if (drawn < n) {
    fill(stream, flat.rows(drawn, n - drawn), 0);
  }
}

}  // namespace dure::model
