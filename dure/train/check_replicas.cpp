#include "dure/train/check_replicas.h"

#include <span>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/parallel/zero/alike.h"

namespace dure::train {
namespace {

// Something that is to be the same on so many neighbours of an axis.
struct Held {
  int weight;
  ConstTensor value;
  int ranks;
};

// At stage 3 a rank holds its parts alone, which other shard groups keep, too.
std::vector<parallel::Kept> values_of(const Trainer& trainer,
                                      const Replica& replica) {
  if (trainer.config().parallel.zero == 3) {
    return replica.store().kept();
  }
  std::vector<parallel::Kept> values;
  for (const nn::Parameter& parameter : replica.parameters().all()) {
    values.push_back(
        {.weight = static_cast<int>(values.size()), .value = parameter.value});
  }
  return values;
}

std::vector<Held> on_data_ranks(std::span<const parallel::Kept> values,
                                const comm::Communicator& ranks) {
  std::vector<Held> held;
  for (const parallel::Kept& value : values) {
    held.push_back({value.weight, value.value, ranks.size()});
  }
  return held;
}

std::vector<Held> on_tensor_ranks(std::span<const parallel::Kept> values,
                                  const nn::ParameterSet& parameters,
                                  const parallel::TensorAxis& axis) {
  std::vector<Held> held;
  for (const parallel::Alike& alike :
       find_alike(values, parameters, axis.ranks->size(), axis.rows)) {
    const parallel::Kept& value = values[alike.kept];
    held.push_back({value.weight,
                    value.value.reshaped({value.value.elements()})
                        .rows(alike.first, alike.count),
                    alike.ranks});
  }
  return held;
}

std::int64_t hash_of(ConstTensor x) {
  const std::span bytes(static_cast<const std::byte*>(x.bytes()),
                        x.size_bytes());
  return static_cast<std::int64_t>(checkpoint::xxh64(bytes));
}

// The hashes of one Held by rank; each is to be that of the first of its
// neighbours. "1, 3 differ from 0", or nothing.
std::string differing(std::span<const std::int64_t> hashes, int neighbours) {
  const auto count = static_cast<std::size_t>(neighbours);
  for (std::size_t first = 0; first < hashes.size(); first += count) {
    std::string ranks;
    for (std::size_t rank = first; rank < first + count; ++rank) {
      if (hashes[rank] != hashes[first]) {
        ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank);
      }
    }
    if (!ranks.empty()) {
      return concat(ranks, " of ", hashes.size(), " differ from ", first);
    }
  }
  return "";
}

// By Held, then by rank.
std::vector<std::vector<std::int64_t>> hashes_of(const std::vector<Held>& held,
                                                 comm::Communicator& ranks) {
  std::vector<std::int64_t> mine;
  for (const Held& one : held) {
    mine.push_back(hash_of(one.value));
  }
  std::vector<std::int64_t> all(mine.size() *
                                static_cast<std::size_t>(ranks.size()));
  ranks.run(comm::AllGather{.y = Tensor(all.data(), Shape{std::ssize(all)}),
                            .x = Tensor(mine.data(), Shape{std::ssize(mine)})});
  std::vector<std::vector<std::int64_t>> by_held(held.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    by_held[i % held.size()].push_back(all[i]);
  }
  return by_held;
}

void compare(const Trainer& trainer,
             const nn::ParameterSet& parameters,
             const std::vector<Held>& held,
             comm::Communicator& ranks) {
  const auto hashes = hashes_of(held, ranks);
  for (std::size_t i = 0; i < held.size(); ++i) {
    const std::string differ = differing(hashes[i], held[i].ranks);
    DURE_CHECK(
        differ.empty(),
        "after step ",
        trainer.position().step,
        " weight ",
        parameters.all()[static_cast<std::size_t>(held[i].weight)].name,
        " is not the same on all ranks of the ",
        ranks.axis(),
        " axis that hold it: ",
        differ,
        ". Go on from the last checkpoint (--resume); if it comes again, "
        "suspect the memory or the processor of that rank's machine");
  }
}

}  // namespace

void check_replicas(Rank& rank, Trainer& trainer) {
  if (trainer.config().train.device == Device::kSim) {
    return;
  }
  parallel::ParameterStore& store = trainer.replica().store();
  store.settle();
  comm::Communicator& replicas = trainer.config().parallel.zero == 3
                                     ? *store.groups().replicate
                                     : *store.groups().exchange;
  const nn::ParameterSet& parameters = trainer.replica().parameters();
  const auto values = values_of(trainer, trainer.replica());
  compare(trainer, parameters, on_data_ranks(values, replicas), replicas);
  const parallel::TensorAxis axis = rank.tensor();
  compare(trainer,
          parameters,
          on_tensor_ranks(values, parameters, axis),
          *axis.ranks);
}

}  // namespace dure::train
