#include "dure/train/check_replicas.h"

#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/parallel_io.h"

namespace dure::train {
namespace {

// Something that is to be the same on all ranks of a communicator.
struct Held {
  int weight;
  ConstTensor value;
};

// At stage 3 a rank holds its parts alone, which other shard groups keep, too.
std::vector<Held> held_of(Trainer& trainer) {
  std::vector<Held> held;
  if (trainer.config().parallel.zero == 3) {
    for (const parallel::Kept& kept : trainer.replica().store().kept()) {
      held.push_back({kept.weight, kept.value});
    }
    return held;
  }
  for (const nn::Parameter& parameter : trainer.replica().parameters().all()) {
    held.push_back({static_cast<int>(held.size()), parameter.value});
  }
  return held;
}

std::int64_t hash_of(ConstTensor x) {
  const std::span bytes(static_cast<const std::byte*>(x.bytes()),
                        x.size_bytes());
  return static_cast<std::int64_t>(checkpoint::xxh64(bytes));
}

// Ranks whose i-th hash is not the first rank's: "1, 3".
std::string others(const std::vector<std::int64_t>& hashes,
                   std::size_t i,
                   std::size_t count) {
  std::string ranks;
  for (std::size_t at = i; at < hashes.size(); at += count) {
    if (hashes[at] != hashes[i]) {
      ranks += (ranks.empty() ? "" : ", ") + std::to_string(at / count);
    }
  }
  return ranks;
}

}  // namespace

void check_replicas(Trainer& trainer) {
  if (trainer.config().train.device == Device::kSim) {
    return;
  }
  parallel::ParameterStore& store = trainer.replica().store();
  store.settle();
  comm::Communicator& ranks = trainer.config().parallel.zero == 3
                                  ? *store.groups().replicate
                                  : *store.groups().exchange;
  const std::vector<Held> held = held_of(trainer);
  std::vector<std::int64_t> mine;
  for (const Held& one : held) {
    mine.push_back(hash_of(one.value));
  }
  std::vector<std::int64_t> all(mine.size() *
                                static_cast<std::size_t>(ranks.size()));
  ranks.run(comm::AllGather{.y = Tensor(all.data(), Shape{std::ssize(all)}),
                            .x = Tensor(mine.data(), Shape{std::ssize(mine)})});
  for (std::size_t i = 0; i < held.size(); ++i) {
    const std::string differ = others(all, i, held.size());
    DURE_CHECK(differ.empty(),
               "after step ",
               trainer.position().step,
               " weight ",
               trainer.replica()
                   .parameters()
                   .all()[static_cast<std::size_t>(held[i].weight)]
                   .name,
               " is not the same on every data-parallel replica: ",
               differ,
               " of ",
               ranks.size(),
               " differ from 0. Go on from the last checkpoint (--resume); if "
               "it comes again, suspect the memory or the processor of that "
               "rank's machine");
  }
}

}  // namespace dure::train
