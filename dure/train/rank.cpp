#include "dure/train/rank.h"

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

std::unique_ptr<comm::Communicator> make_own(const RankOptions& options) {
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
             "a mesh of ",
             mesh_.size(),
             " ranks does not hold ",
             world_->size());
  control_ = std::make_unique<comm::HostRanks>(*world_);
  const auto group = [this](mesh::AxisSet axes, const char* name) {
    return world_->own_group(mesh_.group(world_->rank(), axes), name);
  };
  data_ = group(mesh::kReplicas, "data");
  pipe_ = group({mesh::Axis::kPipe}, "pipe");
  if (pipe_->size() > 1) {
    const int last = pipe_->size() - 1;
    ends_ = my_group(*pipe_, {{0, last}}, "tied");
  }
  tensor_ = group({mesh::Axis::kTensor}, "tensor");
}

Rank::~Rank() = default;

}  // namespace dure::train
