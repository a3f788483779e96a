#include "dure/run/same_run.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::train {
namespace {

using Texts = std::map<std::string, std::string>;

// The tokenizer's files in a checkpoint.
Texts tokenizer_in(const checkpoint::CheckpointReader& reader) {
  Texts files;
  for (const std::string& name : reader.documents()) {
    if (name != checkpoint::kTrainerFile && name != checkpoint::kProductsFile) {
      files.emplace(name, reader.document(name));
    }
  }
  return files;
}

// The files that both have must be equal: earlier versions saved fewer.
bool same_tokenizer(const Texts& before,
                    const Texts& now,
                    const TrainerFile& file,
                    const Config& config) {
  if (before.empty() && now.empty()) {
    return file.tokenizer == config.data.tokenizer;
  }
  std::size_t common = 0;
  for (const auto& [name, text] : before) {
    const auto other = now.find(name);
    if (other != now.end() && other->second != text) {
      return false;
    }
    common += other != now.end() ? 1 : 0;
  }
  return common > 0;
}

std::vector<Change> changes_since(const checkpoint::CheckpointReader& reader,
                                  const TrainerFile& before,
                                  const Config& config,
                                  const RunDocuments& documents) {
  std::vector<Change> all =
      changes(before,
              trainer_file(config, before.position, documents.data),
              documents.epochs);
  if (!same_tokenizer(
          tokenizer_in(reader), documents.tokenizer, before, config)) {
    all.push_back({"tokenizer",
                   fmt::format("data.tokenizer was {}, is {}, with other files",
                               quoted(before.tokenizer),
                               quoted(config.data.tokenizer))});
  }
  return all;
}

bool accepts(const Config& config, std::string_view change) {
  const std::vector<std::string>& accepted = config.checkpoint.accept_changed;
  return std::find(accepted.begin(), accepted.end(), change) != accepted.end();
}

// Throws Error if a change would give another meaning to the samples that were
// read, and to those that follow.
void expect_same_samples(std::vector<Change> found,
                         const Config& config,
                         const std::string& checkpoint) {
  std::erase_if(found, [&](const Change& change) {
    return accepts(config, change.accept);
  });
  if (found.empty()) {
    return;
  }
  std::string text;
  std::set<std::string> names;
  for (const std::string& name : config.checkpoint.accept_changed) {
    names.insert(quoted(name));
  }
  for (const Change& change : found) {
    text += fmt::format("\n  {}", change.what);
    names.insert(quoted(change.accept));
  }
  throw Error(
      "{} is of a run that read other samples:{}\nset it as it "
      "was, or, if it is meant, checkpoint.accept_changed = [{}], "
      "and the run goes on at its sample number in the new order",
      checkpoint,
      text,
      fmt::to_string(fmt::join(names, ", ")));
}

void expect_optimizer(const TrainerFile& before,
                      const Config& config,
                      const std::string& checkpoint) {
  const std::string wanted = trainer_file(config, {}, std::nullopt).optimizer;
  DURE_CHECK(before.optimizer == wanted,
             "{} has the states of {}, wanted those of optimizer.name = {}",
             checkpoint,
             quoted(before.optimizer),
             quoted(wanted));
}

}  // namespace

data::SampleOrder order_after(const Path& checkpoint, const Config& config) {
  const Path file = checkpoint / checkpoint::kTrainerFile;
  if (checkpoint.empty() || accepts(config, "order") ||
      !std::filesystem::exists(file)) {
    return data::SampleOrder::kByEpoch;
  }
  return order_of(trainer_file_from(read_regular_file(file), file.string()));
}

void expect_same_run(const checkpoint::CheckpointReader& reader,
                     TrainerFile before,
                     const Config& config,
                     const RunDocuments& documents,
                     const Log& log) {
  const std::string checkpoint = reader.folder().string();
  // Earlier versions have it only in the manifest.
  before.settings.emplace("train.seed", std::to_string(reader.manifest().seed));
  expect_optimizer(before, config, checkpoint);
  expect_same_samples(
      changes_since(reader, before, config, documents), config, checkpoint);
  if (!before.data) {
    log.warning(
        "an earlier version of Dure wrote the checkpoint: whether data.train, "
        "data.split and the sizes of batches are those of before is not known");
  }
  if (!before.data && documents.epochs > 1 && !accepts(config, "order")) {
    log.warning(
        "the order of samples of that version "
        "holds for the train.steps that the run had, and for others the "
        "documents are dealt anew; checkpoint.accept_changed = [\"order\"] "
        "goes "
        "on in the order of today, which any number of steps leaves as it is");
  }
  const std::string moved = moved_schedule(before, config);
  if (!moved.empty()) {
    log.warning(moved);
  }
}

}  // namespace dure::train
