#include "dure/run/check_replicas.h"

#include <algorithm>
#include <fmt/core.h>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/kernels/transfer.h"
#include "dure/parallel/data/replicated_gradients.h"

namespace dure::train {
namespace {

// Something that should be the same on these ranks of the world.
struct Held {
  parallel::Slice slice;
  std::vector<int> ranks;
};

enum class Compared : std::uint8_t { kWeights, kMasters };

// Whether a rank holds only its parts, which other shard groups own, too.
bool in_parts(const Trainer& trainer, Compared compared) {
  return compared == Compared::kMasters || trainer.config().parallel.zero == 3;
}

std::vector<parallel::Slice> slices_of(const Trainer& trainer,
                                       const RankModel& rank_model,
                                       Compared compared) {
  const parallel::ParameterStore& store = rank_model.store();
  if (in_parts(trainer, compared)) {
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

// Ranks at the same place in other shard groups own a part, too.
std::vector<Held> on_replicas(std::span<const parallel::Slice> slices,
                              const Rank& rank,
                              Trainer& trainer,
                              Compared compared) {
  const parallel::ParameterStore& store = trainer.rank_model().store();
  const bool parts = in_parts(trainer, compared);
  std::vector<Held> held;
  for (const parallel::Slice& slice : slices) {
    const mesh::Part part =
        parts ? store.groups(slice.bucket).part() : mesh::Part{};
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
  for (const parallel::ReplicatedSlice& alike :
       find_replicated(slices, parameters, axis.ranks->size(), axis.rows)) {
    parallel::Slice slice = slices[alike.slice];
    slice.offset += alike.first;
    slice.place += alike.first;
    slice.elements = alike.count;
    const auto first = all.begin() + own / alike.ranks * alike.ranks;
    held.push_back({slice, {first, first + alike.ranks}});
  }
  return held;
}

// A tied embedding, of which the pipeline's first and last stage own the same
// parts: the one looks tokens up, the other makes logits.
std::vector<Held> on_both_ends(std::span<const parallel::Slice> slices,
                               const Rank& rank,
                               const RankModel& rank_model) {
  std::vector<Held> held;
  if (rank.ends() == nullptr) {
    return held;
  }
  const std::vector<int> stages = group_of(rank, mesh::kStages);
  for (const parallel::Slice& slice : slices) {
    const nn::Parameter& here = rank_model.parameters()[slice.weight];
    if (here.units.size() < rank_model.weights().at(here.name).units.size()) {
      held.push_back({slice, {stages.front(), stages.back()}});
    }
  }
  return held;
}

std::int64_t hash_of(Stream& stream, const ConstTensor& tensor) {
  const kernels::OnHost host(stream, tensor);
  const ConstTensor& x = host.tensor();
  const std::span bytes(static_cast<const std::byte*>(x.bytes()),
                        x.size_bytes());
  return static_cast<std::int64_t>(checkpoint::xxh64(bytes));
}

// Calls function(i) for the weights that each unit on this rank uses, while
// they are in place.
template <typename Function>
void for_each_in_units(Rank& rank,
                       const RankModel& rank_model,
                       const std::vector<Held>& held,
                       Function&& function) {
  nn::Context ctx = rank.context();
  ctx.phase = nn::Phase::kEvaluate;
  const auto first_unit = [&](const Held& one) {
    const auto weight = static_cast<std::size_t>(one.slice.weight);
    return rank_model.parameters()[weight].units.front();
  };
  std::set<int> units;
  for (const Held& one : held) {
    units.insert(first_unit(one));
  }
  for (const int unit : units) {
    rank_model.parameters().in_unit(ctx, unit, nn::Access::kParameters, [&] {
      for (std::size_t i = 0; i < held.size(); ++i) {
        if (first_unit(held[i]) == unit) {
          function(i);
        }
      }
    });
  }
}

// The hash of a part that this rank owns.
std::int64_t hash_of_part(Stream& stream,
                          parallel::ParameterStore& store,
                          const parallel::Slice& slice,
                          Compared compared) {
  if (compared == Compared::kMasters) {
    return hash_of(
        stream,
        store.acquire(slice.bucket, {.master = parallel::Access::kRead})
            .shard(slice)
            .master);
  }
  return hash_of(
      stream,
      store.acquire(slice.bucket, {.weight = parallel::Access::kRead})
          .shard(slice)
          .values);
}

std::vector<std::int64_t> hashes_of(Rank& rank,
                                    Trainer& trainer,
                                    const std::vector<Held>& held,
                                    Compared compared) {
  RankModel& rank_model = trainer.rank_model();
  std::vector<std::int64_t> hashes(held.size());
  if (in_parts(trainer, compared)) {
    std::transform(
        held.begin(), held.end(), hashes.begin(), [&](const Held& one) {
          return hash_of_part(
              rank.stream, rank_model.store(), one.slice, compared);
        });
    return hashes;
  }
  for_each_in_units(rank, rank_model, held, [&](std::size_t i) {
    const parallel::Slice& slice = held[i].slice;
    const Tensor value = rank_model.parameters()[slice.weight].value;
    hashes[i] = hash_of(
        rank.stream,
        value.reshaped({value.elements()}).rows(slice.offset, slice.elements));
  });
  return hashes;
}

// The ranks that have the same hash of a thing.
using RanksByHash =
    std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>>;

// The ranks by their hash of the i-th thing, from the answers of every rank of
// the world.
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
    text += fmt::format("{}{}", text.empty() ? "" : ", ", rank);
  }
  return fmt::format("{}{}", ranks.size() == 1 ? "rank " : "ranks ", text);
}

// The ranks that differ from most, if there is a majority.
std::string drifted(RanksByHash ranks) {
  std::stable_sort(
      ranks.begin(), ranks.end(), [](const auto& a, const auto& b) {
        return a.second.size() > b.second.size();
      });
  const auto& most = ranks[0].second;
  if (most.size() == ranks[1].second.size()) {
    return fmt::format("{}{}{}, and nothing tells which of them drifted",
                       text_of(most),
                       most.size() == 1 ? " differs from " : " differ from ",
                       text_of(ranks[1].second));
  }
  std::vector<std::int64_t> others;
  for (auto it = ranks.begin() + 1; it != ranks.end(); ++it) {
    others.insert(others.end(), it->second.begin(), it->second.end());
  }
  return fmt::format("{}{} drifted from {}",
                     text_of(others),
                     others.size() == 1 ? " has" : " have",
                     text_of(most));
}

// Compares ranks that hold things along an axis of this name. Collective over
// the world: ranks that hold the same thing have it at the same index.
// One comparison, over the ranks of an axis.
struct Comparison {
  Compared compared;
  std::vector<Held> held;
  std::string axis;
};

void compare(Rank& rank, Trainer& trainer, const Comparison& of) {
  const auto answers =
      rank.control().gather(hashes_of(rank, trainer, of.held, of.compared));
  for (std::size_t i = 0; i < of.held.size(); ++i) {
    const RanksByHash by_hash = ranks_by_hash(of.held[i].ranks, answers, i);
    DURE_CHECK(
        by_hash.size() < 2,
        "after step {} {} {} is not the same on all ranks of the {} "
        "axis that hold it: {}. Go on from the last checkpoint "
        "(--resume); if it comes again, suspect the memory or the "
        "processor of that rank's machine",
        trainer.position().step,
        of.compared == Compared::kMasters ? "the master of weight" : "weight",
        trainer.rank_model().parameters()[of.held[i].slice.weight].name,
        of.axis,
        drifted(by_hash));
  }
}

void compare_on_all_axes(Rank& rank, Trainer& trainer, Compared compared) {
  const RankModel& rank_model = trainer.rank_model();
  const auto slices = slices_of(trainer, rank_model, compared);
  compare(rank,
          trainer,
          {.compared = compared,
           .held = on_replicas(slices, rank, trainer, compared),
           .axis = in_parts(trainer, compared) ? "data replicate" : "data"});
  compare(rank,
          trainer,
          {.compared = compared,
           .held = on_tensor_ranks(slices, rank_model.parameters(), rank),
           .axis = "tensor"});
  compare(rank,
          trainer,
          {.compared = compared,
           .held = on_both_ends(slices, rank, rank_model),
           .axis = "tied"});
}

}  // namespace

void check_replicas(Rank& rank, Trainer& trainer) {
  if (trainer.config().train.device == Device::kSim) {
    return;
  }
  trainer.rank_model().store().wait();
  compare_on_all_axes(rank, trainer, Compared::kWeights);
  if (has_masters(trainer.config().precision)) {
    compare_on_all_axes(rank, trainer, Compared::kMasters);
  }
}

}  // namespace dure::train
