#include "dure/train/check_replicas.h"

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/model/weights.h"
#include "dure/parallel/zero/alike.h"

namespace dure::train {
namespace {

// Something that is to be the same on so many neighbours of an axis.
struct Held {
  parallel::Slice slice;
  int ranks;
};

// At stage 3 a rank holds its parts alone, which other shard groups own, too.
std::vector<parallel::Slice> slices_of(const Trainer& trainer,
                                       const Replica& replica) {
  if (trainer.config().parallel.zero == 3) {
    const auto owned = replica.store().slices();
    return {owned.begin(), owned.end()};
  }
  std::vector<parallel::Slice> weights;
  for (const nn::Parameter& parameter : replica.parameters().all()) {
    weights.push_back({.weight = static_cast<int>(weights.size()),
                       .elements = parameter.value.elements()});
  }
  return weights;
}

// Ranks of the world that hold the same things, in the order of an axis.
struct Holders {
  std::string axis;
  std::vector<int> ranks;
};

std::vector<int> group_of(const Rank& rank, mesh::AxisSet axes) {
  return rank.mesh().group(rank.world().rank(), axes);
}

// At stage 3 each rank of a shard group keeps a part of its own, which those at
// the same place of other groups keep, too.
Holders replicas_of(const Rank& rank, Trainer& trainer) {
  const std::vector<int> all = group_of(rank, mesh::kReplicas);
  if (trainer.config().parallel.zero != 3) {
    return {.axis = "data", .ranks = all};
  }
  const parallel::PartOf part = trainer.replica().store().groups().part();
  Holders holders = {.axis = "data replicate", .ranks = {}};
  for (std::size_t i = static_cast<std::size_t>(part.index); i < all.size();
       i += static_cast<std::size_t>(part.count)) {
    holders.ranks.push_back(all[i]);
  }
  return holders;
}

// The first stage and the last, on these.
Holders ends_of(const Rank& rank) {
  Holders holders = {.axis = "tied", .ranks = {}};
  if (rank.ends() != nullptr) {
    const std::vector<int> pipe = group_of(rank, {mesh::Axis::kPipe});
    holders.ranks = {pipe.front(), pipe.back()};
  }
  return holders;
}

std::vector<Held> on_data_ranks(std::span<const parallel::Slice> slices,
                                const Holders& replicas) {
  const auto ranks = static_cast<int>(replicas.ranks.size());
  std::vector<Held> held;
  for (const parallel::Slice& slice : slices) {
    held.push_back({slice, ranks});
  }
  return held;
}

std::vector<Held> on_tensor_ranks(std::span<const parallel::Slice> slices,
                                  const nn::ParameterSet& parameters,
                                  const parallel::TensorAxis& axis) {
  std::vector<Held> held;
  for (const parallel::Alike& alike :
       find_alike(slices, parameters, axis.ranks->size(), axis.rows)) {
    parallel::Slice slice = slices[alike.slice];
    slice.offset += alike.first;
    slice.place += alike.first;
    slice.elements = alike.count;
    held.push_back({slice, alike.ranks});
  }
  return held;
}

// A tied embedding, of which the first stage of a pipeline and the last own
// the same parts: the one looks tokens up, the other makes logits.
std::vector<Held> on_both_ends(std::span<const parallel::Slice> slices,
                               const Replica& replica) {
  std::vector<Held> held;
  for (const model::WeightSpec& spec : model::weights(replica.config())) {
    for (const parallel::Slice& slice : slices) {
      const nn::Parameter& here =
          replica.parameters().all()[static_cast<std::size_t>(slice.weight)];
      if (here.name == spec.name && here.units.size() < spec.units.size()) {
        held.push_back({slice, 2});
      }
    }
  }
  return held;
}

std::int64_t hash_of(ConstTensor x) {
  const std::span bytes(static_cast<const std::byte*>(x.bytes()),
                        x.size_bytes());
  return static_cast<std::int64_t>(checkpoint::xxh64(bytes));
}

// function(i) of what is used by each unit that this rank has, its weights
// being in place.
template <typename Function>
void for_each_in_units(Rank& rank,
                       const Replica& replica,
                       const std::vector<Held>& held,
                       Function&& function) {
  nn::Context ctx = rank.context();
  ctx.phase = nn::Phase::kEvaluate;
  const auto first_unit = [&](const Held& one) {
    const auto weight = static_cast<std::size_t>(one.slice.weight);
    return replica.parameters().all()[weight].units.front();
  };
  std::set<int> units;
  for (const Held& one : held) {
    units.insert(first_unit(one));
  }
  for (const int unit : units) {
    replica.parameters().in_unit(ctx, unit, nn::Uses::kValues, [&] {
      for (std::size_t i = 0; i < held.size(); ++i) {
        if (first_unit(held[i]) == unit) {
          function(i);
        }
      }
    });
  }
}

std::vector<std::int64_t> hashes_of(Rank& rank,
                                    Trainer& trainer,
                                    const std::vector<Held>& held) {
  Replica& replica = trainer.replica();
  std::vector<std::int64_t> hashes(held.size());
  if (trainer.config().parallel.zero == 3) {
    std::transform(
        held.begin(), held.end(), hashes.begin(), [&](const Held& one) {
          const parallel::Acquired acquired = replica.store().acquire(
              one.slice.bucket, {.weight = parallel::Access::kRead});
          return hash_of(acquired.shard(one.slice).values);
        });
    return hashes;
  }
  for_each_in_units(rank, replica, held, [&](std::size_t i) {
    const parallel::Slice& slice = held[i].slice;
    const Tensor value = replica.parameters()
                             .all()[static_cast<std::size_t>(slice.weight)]
                             .value;
    hashes[i] = hash_of(
        value.reshaped({value.elements()}).rows(slice.offset, slice.elements));
  });
  return hashes;
}

// What holders answered: their numbers in the world, and hashes by Held, in the
// order of the ranks.
struct Answers {
  std::vector<std::int64_t> ranks;
  std::vector<std::vector<std::int64_t>> hashes;
};

// The ranks that have the same hash of something.
using RanksByHash =
    std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>>;

RanksByHash ranks_by_hash(std::span<const std::int64_t> ranks,
                          std::span<const std::int64_t> hashes) {
  RanksByHash result;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    auto found =
        std::find_if(result.begin(), result.end(), [&](const auto& one) {
          return one.first == hashes[i];
        });
    if (found == result.end()) {
      found = result.insert(found, {hashes[i], {}});
    }
    found->second.push_back(ranks[i]);
  }
  return result;
}

std::string text_of(std::vector<std::int64_t> ranks) {
  std::sort(ranks.begin(), ranks.end());
  std::string text;
  for (const std::int64_t rank : ranks) {
    text += concat(text.empty() ? "" : ", ", rank);
  }
  return concat(ranks.size() == 1 ? "rank " : "ranks ", text);
}

// Who drifted: those that are not of the most, where there are such.
std::string drifted(RanksByHash ranks) {
  std::stable_sort(
      ranks.begin(), ranks.end(), [](const auto& a, const auto& b) {
        return a.second.size() > b.second.size();
      });
  const auto& most = ranks[0].second;
  if (most.size() == ranks[1].second.size()) {
    return concat(text_of(most),
                  most.size() == 1 ? " differs from " : " differ from ",
                  text_of(ranks[1].second),
                  ", and nothing tells which of them drifted");
  }
  std::vector<std::int64_t> others;
  for (auto it = ranks.begin() + 1; it != ranks.end(); ++it) {
    others.insert(others.end(), it->second.begin(), it->second.end());
  }
  return concat(text_of(others),
                others.size() == 1 ? " has" : " have",
                " drifted from ",
                text_of(most));
}

// Of the first neighbours that are not all alike; else nothing.
std::string differing(const Answers& answers, std::size_t i, int neighbours) {
  const auto count = static_cast<std::size_t>(neighbours);
  const std::span ranks(answers.ranks);
  const std::span hashes(answers.hashes[i]);
  for (std::size_t first = 0; first < ranks.size(); first += count) {
    const RanksByHash by_hash = ranks_by_hash(ranks.subspan(first, count),
                                              hashes.subspan(first, count));
    if (by_hash.size() > 1) {
      return drifted(by_hash);
    }
  }
  return "";
}

// Every rank of the world answers; those that this one compares are taken.
Answers ask(const std::vector<std::int64_t>& hashes,
            const Holders& holders,
            comm::HostRanks& control) {
  const auto all = control.gather(hashes);
  Answers answers;
  answers.hashes.resize(hashes.size());
  for (const int rank : holders.ranks) {
    answers.ranks.push_back(rank);
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      answers.hashes[i].push_back(all[static_cast<std::size_t>(rank)].at(i));
    }
  }
  return answers;
}

void compare(Rank& rank,
             Trainer& trainer,
             const std::vector<Held>& held,
             const Holders& holders) {
  const Answers answers =
      ask(hashes_of(rank, trainer, held), holders, rank.control());
  for (std::size_t i = 0; i < held.size(); ++i) {
    const std::string differ = differing(answers, i, held[i].ranks);
    DURE_CHECK(
        differ.empty(),
        "after step ",
        trainer.position().step,
        " weight ",
        trainer.replica()
            .parameters()
            .all()[static_cast<std::size_t>(held[i].slice.weight)]
            .name,
        " is not the same on all ranks of the ",
        holders.axis,
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
  rank.stream.synchronize();
  const nn::ParameterSet& parameters = trainer.replica().parameters();
  const auto slices = slices_of(trainer, trainer.replica());
  const Holders replicas = replicas_of(rank, trainer);
  compare(rank, trainer, on_data_ranks(slices, replicas), replicas);
  compare(rank,
          trainer,
          on_tensor_ranks(slices, parameters, rank.tensor()),
          {.axis = "tensor", .ranks = group_of(rank, {mesh::Axis::kTensor})});
  const Holders ends = ends_of(rank);
  compare(rank,
          trainer,
          ends.ranks.empty() ? std::vector<Held>()
                             : on_both_ends(slices, trainer.replica()),
          ends);
}

}  // namespace dure::train
