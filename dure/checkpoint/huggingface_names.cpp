// Applies the tables of names.
#include <algorithm>
#include <string_view>
#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/model/family.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

using model::ForeignName;
using model::Layout;
using model::ModelConfig;

std::span<const ForeignName> names_of(const ModelConfig& config) {
  const model::HuggingFaceModel* theirs = config.family->huggingface;
  return theirs == nullptr ? std::span<const ForeignName>() : theirs->names;
}

// The pattern with '#' replaced by the number.
std::string numbered(std::string_view pattern, std::int64_t block) {
  std::string name(pattern);
  const std::size_t at = name.find('#');
  return at == std::string::npos ? name
                                 : name.replace(at, 1, std::to_string(block));
}

const ForeignName& row_for(const ModelConfig& config,
                           const model::WeightSpec& spec) {
  for (const ForeignName& row : names_of(config)) {
    if (numbered(row.ours, spec.block) == spec.name) {
      return row;
    }
  }
  throw Error(
      "Hugging Face's models have nothing like {}; only plain ones "
      "of each family are converted",
      spec.name);
}

// The rows of our weight in each of their tensors.
Dims rows_of(const ForeignName& row, const model::WeightSpec& spec) {
  if (row.theirs[1].empty()) {
    return {spec.logical.front()};
  }
  return cut_along(spec.placement, mesh::Axis::kTensor)->sections;
}

ForeignSlice part_of(std::string name,
                     std::int64_t first_row,
                     std::int64_t rows,
                     const ForeignName& row,
                     const Dims& ours) {
  ForeignSlice part{.name = std::move(name),
                    .first_row = first_row,
                    .rows = rows,
                    .layout = row.layout,
                    .shape = ours};
  part.shape.front() = rows;
  if (part.layout == Layout::kTransposed) {
    std::reverse(part.shape.begin(), part.shape.end());
  }
  return part;
}

}  // namespace

std::vector<ForeignWeight> foreign_weights(const ModelConfig& given) {
  const ModelConfig config = model::resolve(given);
  std::vector<ForeignWeight> weights;
  for (const model::WeightSpec& spec : model::weights(config)) {
    const ForeignName& row = row_for(config, spec);
    ForeignWeight weight{.name = spec.name, .shape = spec.logical, .parts = {}};
    std::int64_t first_row = 0;
    const std::string_view* theirs = row.theirs;
    for (const std::int64_t rows : rows_of(row, spec)) {
      weight.parts.push_back(part_of(
          numbered(*theirs++, spec.block), first_row, rows, row, spec.logical));
      first_row += rows;
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

}  // namespace dure::checkpoint
