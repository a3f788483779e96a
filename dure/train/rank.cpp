#include "dure/train/rank.h"

#include "dure/comm/self/self_communicator.h"

namespace dure::train {

Rank::Rank(const RankOptions& options)
    : stream(options.device, options.rates),
      arena({.device = options.device, .limit_bytes = options.limit_bytes}),
      world_(options.world) {
  if (options.device == Device::kSim) {
    own_ = comm::make_sim_communicator(stream, options.simulated);
  } else if (world_ == nullptr) {
    own_ = comm::make_self_communicator();
  }
  if (own_ != nullptr) {
    world_ = own_.get();
  }
}

Rank::~Rank() = default;

}  // namespace dure::train
