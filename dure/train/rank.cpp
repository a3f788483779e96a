#include "dure/train/rank.h"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>
#include <string>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/groups.h"
#include "dure/comm/self/self_communicator.h"

namespace dure::train {
namespace {

int threads_of(const RankOptions& options) {
  return options.threads > 0 || options.world == nullptr
             ? options.threads
             : options.world->options().threads;
}

// The names in traces and metrics, in their order in the name of a group.
constexpr std::pair<mesh::Axis, const char*> kLabels[] = {
    {mesh::Axis::kPipe, "pipe"},
    {mesh::Axis::kData, "data"},
    {mesh::Axis::kContext, "context"},
    {mesh::Axis::kExpert, "expert"},
    {mesh::Axis::kTensor, "tensor"},
};

// The name of a group of one rank, which has no axis.
std::string first_label(mesh::AxisSet axes) {
  const auto* const found = std::ranges::find_if(
      kLabels, [&](const auto& label) { return axes.contains(label.first); });
  return found == std::end(kLabels) ? "alone" : found->second;
}

// Ranks exchange what is in the host's memory.
void check_alone(const RankOptions& options) {
  if (options.device == Device::kCuda && options.world != nullptr &&
      options.world->size() > 1) {
    throw UsageError(
        "train.device = \"cuda\": wanted 1 rank, got {}: this version has no "
        "collectives between GPUs; start one rank, or set train.device = "
        "\"cpu\"",
        options.world->size());
  }
}

std::unique_ptr<comm::Communicator> make_own(const RankOptions& options) {
  check_alone(options);
  if (options.device == Device::kSim) {
    return comm::make_sim_communicator(options.simulated);
  }
  return options.world == nullptr ? comm::make_self_communicator() : nullptr;
}

}  // namespace

Rank::Rank(const RankOptions& options)
    : stream(options.device,
             {.rates = options.rates, .threads = threads_of(options)}),
      arena(stream, {.limit_bytes = options.limit_bytes}),
      own_(make_own(options)),
      world_(own_ != nullptr ? own_.get() : options.world),
      mesh_(options.mesh.value_or(mesh::Mesh({.data = world_->size()}))),
      rows_(options.rows),
      sums_(options.sums) {
  DURE_CHECK(mesh_.size() == world_->size(),
             "a mesh of {} ranks does not hold {}",
             mesh_.size(),
             world_->size());
  kernels::f32_product(stream) = options.f32_product;
  control_ = std::make_unique<comm::HostRanks>(*world_);
  group(mesh::kReplicas);
  group(mesh::kSamples);
  comm::Communicator& stages = group(mesh::kStages);
  if (stages.size() > 1) {
    ends_ = my_group(stages, {{0, stages.size() - 1}}, "tied");
  }
  group({mesh::Axis::kTensor});
}

Rank::~Rank() = default;

// Sets that differ only by axes of one rank are one group.
comm::Communicator& Rank::group(mesh::AxisSet axes) {
  std::string name;
  mesh::AxisSet shared = {};
  for (const auto& [axis, label] : kLabels) {
    if (axes.contains(axis) && mesh_.size(axis) > 1) {
      shared.add(axis);
      name += fmt::format("{}{}", name.empty() ? "" : "-", label);
    }
  }
  const bool is_alone = name.empty();
  auto& ranks = groups_[is_alone ? axes : shared];
  if (ranks == nullptr) {
    ranks = world_->own_group(mesh_.group(world_->rank(), axes),
                              is_alone ? first_label(axes) : name);
  }
  return *ranks;
}

}  // namespace dure::train
