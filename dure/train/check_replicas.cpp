#include "dure/train/check_replicas.h"

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/parallel/zero/alike.h"

namespace dure::train {
namespace {

// Something that is to be the same on these ranks of the world.
struct Held {
  parallel::Slice slice;
  std::vector<int> ranks;
};

// At stage 3 a rank holds its parts alone, which other shard groups own, too.
std::vector<parallel::Slice> slices_of(const Trainer& trainer,
                                       const Replica& replica) {
  const parallel::ParameterStore& store = replica.store();
  if (trainer.config().parallel.zero == 3) {
    return {store.slices().begin(), store.slices().end()};
  }
  std::vector<parallel::Slice> weights;
  for (int b = 0; b < store.buckets(); ++b) {
    const parallel::Bucket& bucket = store.plan().buckets[b];
    for (int weight = bucket.first; weight < bucket.last; ++weight) {
      weights.push_back({.weight = weight,
                         .bucket = b,
                         .elements = store.plan().lengths[weight]});
    }
  }
  return weights;
}

std::vector<int> group_of(const Rank& rank, mesh::AxisSet axes) {
  return rank.mesh().group(rank.world().rank(), axes);
}

// At stage 3 each rank of a shard group keeps a part of its own, which those at
// the same place of other groups keep, too.
std::vector<Held> on_replicas(std::span<const parallel::Slice> slices,
                              const Rank& rank,
                              Trainer& trainer) {
  const parallel::ParameterStore& store = trainer.replica().store();
  const bool parts = trainer.config().parallel.zero == 3;
  std::vector<Held> held;
  for (const parallel::Slice& slice : slices) {
    const parallel::PartOf part =
        parts ? store.groups(slice.bucket).part() : parallel::PartOf{};
    const std::vector<int> all = group_of(rank, store.axes(slice.bucket));
    Held& one = held.emplace_back(Held{slice, {}});
    for (auto i = static_cast<std::size_t>(part.index); i < all.size();
         i += static_cast<std::size_t>(part.count)) {
      one.ranks.push_back(all[i]);
    }
  }
  return held;
}

std::vector<Held> on_tensor_ranks(std::span<const parallel::Slice> slices,
                                  const nn::ParameterSet& parameters,
                                  Rank& rank) {
  const parallel::TensorAxis axis = rank.tensor();
  const std::ptrdiff_t own = axis.ranks->rank();
  const std::vector<int> all = group_of(rank, {mesh::Axis::kTensor});
  std::vector<Held> held;
  for (const parallel::Alike& alike :
       find_alike(slices, parameters, axis.ranks->size(), axis.rows)) {
    parallel::Slice slice = slices[alike.slice];
    slice.offset += alike.first;
    slice.place += alike.first;
    slice.elements = alike.count;
    const auto first = all.begin() + own / alike.ranks * alike.ranks;
    held.push_back({slice, {first, first + alike.ranks}});
  }
  return held;
}

// A tied embedding, of which the first stage of a pipeline and the last own
// the same parts: the one looks tokens up, the other makes logits.
std::vector<Held> on_both_ends(std::span<const parallel::Slice> slices,
                               const Rank& rank,
                               const Replica& replica) {
  std::vector<Held> held;
  if (rank.ends() == nullptr) {
    return held;
  }
  const std::vector<int> stages = group_of(rank, mesh::kStages);
  for (const parallel::Slice& slice : slices) {
    const nn::Parameter& here = replica.parameters()[slice.weight];
    if (here.units.size() < replica.weights().at(here.name).units.size()) {
      held.push_back({slice, {stages.front(), stages.back()}});
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
    return replica.parameters()[weight].units.front();
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
    const Tensor value = replica.parameters()[slice.weight].value;
    hashes[i] = hash_of(
        value.reshaped({value.elements()}).rows(slice.offset, slice.elements));
  });
  return hashes;
}

// The ranks that have the same hash of something.
using RanksByHash =
    std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>>;

// Of the i-th thing that is held, by what every rank of the world answered.
RanksByHash ranks_by_hash(std::span<const int> ranks,
                          std::span<const std::vector<std::int64_t>> answers,
                          std::size_t i) {
  RanksByHash result;
  for (const int rank : ranks) {
    const std::int64_t hash = answers[rank].at(i);
    auto found =
        std::find_if(result.begin(), result.end(), [&](const auto& one) {
          return one.first == hash;
        });
    if (found == result.end()) {
      found = result.insert(found, {hash, {}});
    }
    found->second.push_back(rank);
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

// Of ranks that hold things along an axis of this name. Collective over the
// world: those that hold the same thing have it at the same place.
void compare(Rank& rank,
             Trainer& trainer,
             const std::vector<Held>& held,
             const std::string& axis) {
  const auto answers = rank.control().gather(hashes_of(rank, trainer, held));
  for (std::size_t i = 0; i < held.size(); ++i) {
    const RanksByHash by_hash = ranks_by_hash(held[i].ranks, answers, i);
    DURE_CHECK(
        by_hash.size() < 2,
        "after step ",
        trainer.position().step,
        " weight ",
        trainer.replica().parameters()[held[i].slice.weight].name,
        " is not the same on all ranks of the ",
        axis,
        " axis that hold it: ",
        drifted(by_hash),
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
  const Replica& replica = trainer.replica();
  const auto slices = slices_of(trainer, replica);
  compare(rank,
          trainer,
          on_replicas(slices, rank, trainer),
          trainer.config().parallel.zero == 3 ? "data replicate" : "data");
  compare(rank,
          trainer,
          on_tensor_ranks(slices, replica.parameters(), rank),
          "tensor");
  compare(rank, trainer, on_both_ends(slices, rank, replica), "tied");
}

}  // namespace dure::train
