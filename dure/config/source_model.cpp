#include "dure/config/source_model.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/weight_source.h"

namespace dure::train {
namespace {

std::string name_of(const Config& config) {
  return fmt::format("train.from = {}", quoted(config.train.from));
}

// The model of the newest checkpoint that still describes it. Whether the
// checkpoint is whole is checked when it is loaded.
std::optional<SourceModel> own_model(const Config& asked) {
  const Path root = resolve(asked).checkpoint.directory;
  std::vector<checkpoint::StepFolder> folders = checkpoint::step_folders(root);
  std::reverse(folders.begin(), folders.end());
  for (const checkpoint::StepFolder& folder : folders) {
    try {
      return SourceModel{.model = checkpoint::read_manifest(folder.path).model,
                         .name = quoted(folder.path.string())};
    } catch (const checkpoint::OtherVersion&) {
      throw;
    } catch (const Error&) {  // damaged
      continue;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<SourceModel> source_model(const Config& asked, Start start) {
  if (asked.train.from.empty()) {
    return std::nullopt;
  }
  if (start == Start::kResume) {
    if (const auto own = own_model(asked)) {
      return own;
    }
  }
  try {
    return SourceModel{.model = checkpoint::model_of_weights(asked.train.from),
                       .name = name_of(asked)};
  } catch (const Error& error) {
    throw Error("train.from: {}", error.what());
  }
}

void expect_model(const SourceModel& source, const model::ModelConfig& wanted) {
  const std::string difference = checkpoint::model_difference(
      source.model, wanted, checkpoint::ModelMatch::kInWeights);
  if (!difference.empty()) {
    throw UsageError("{}: {}; leave the key out to have what is there",
                     source.name,
                     difference);
  }
}

}  // namespace dure::train
