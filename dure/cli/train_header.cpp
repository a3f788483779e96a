#include "dure/cli/train_header.h"

#include <fmt/format.h>

#include "dure/base/arithmetic.h"
#include "dure/base/progress.h"
#include "dure/mesh/draw.h"
#include "dure/model/count.h"
#include "dure/model/family.h"
#include "dure/run/run_checkpoint.h"

namespace dure::cli {
namespace {

std::string model_line(const model::ModelConfig& model) {
  return fmt::format(
      "model   {}{} of {} layers x {}, {} heads, vocabulary {}: {} parameters",
      model.family->name,
      model.preset.empty() ? "" : " (" + model.preset + ")",
      model.layers,
      model.hidden,
      model.heads,
      model.vocabulary,
      with_prefix(static_cast<double>(model::count(model).published)));
}

std::string batch_line(const train::Config& config) {
  const train::TrainConfig& train = config.train;
  const std::int64_t sequence = config.data.sequence;
  return fmt::format(
      "batch   {} samples x {} = {} tokens a step{}, in micro-batches of {}; "
      "{} steps",
      train.global_batch,
      sequence,
      train.global_batch * sequence,
      train.batch_rampup.empty() ? "" : " at the end of train.batch_rampup",
      train.micro_batch,
      train.steps);
}

std::string ranks_line(const TrainHeader& header) {
  const comm::Communicator& world = header.world;
  const train::ParallelConfig& parallel = header.config.parallel;
  std::string text =
      "ranks   " + mesh::describe_sizes(train::mesh_of(parallel, world.size()));
  if (world.size() > 1) {
    text += fmt::format(", by {}", world.back_end());
  }
  if (parallel.pipeline > 1) {
    text += fmt::format(", {}", parallel::name_of(parallel.schedule));
  }
  if (parallel.zero > 0) {
    text += fmt::format(", ZeRO {}", parallel.zero);
  }
  const int threads = world.options().threads;
  return text +
         fmt::format("; {} thread{} each", threads, threads == 1 ? "" : "s");
}

std::string memory_line(const TrainHeader& header) {
  std::string text =
      fmt::format("memory  {:.0f} MiB predicted for a rank",
                  static_cast<double>(header.predicted_bytes) / kMib);
  if (header.allowed_bytes > 0) {
    text += fmt::format(", {:.0f} MiB allowed",
                        static_cast<double>(header.allowed_bytes) / kMib);
  }
  return text;
}

std::string files_line(const train::Config& config) {
  const std::int64_t every = config.checkpoint.every;
  return fmt::format("files   {}; a checkpoint {}",
                     config.log.directory,
                     every > 0
                         ? fmt::format("every {} steps and at the end", every)
                         : std::string("at the end"));
}

}  // namespace

std::vector<std::string> lines_of(const TrainHeader& header) {
  std::vector<std::string> lines = {model_line(header.config.model),
                                    batch_line(header.config),
                                    ranks_line(header)};
  if (header.predicted_bytes > 0) {
    lines.push_back(memory_line(header));
  }
  lines.push_back(files_line(header.config));
  return lines;
}

}  // namespace dure::cli
