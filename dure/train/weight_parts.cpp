#include "dure/train/weight_parts.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/algorithm/reduce.h"
#include "dure/kernels/transfer.h"

namespace dure::train {
namespace {

using parallel::Access;
using parallel::Acquired;

// Ranges of one tensor, one after another in the host's memory.
class Staging {
 public:
  Staging(const model::WeightSpec& spec, const mesh::LocalPart& local)
      : local_(local), there_(local.before(mesh::elements(spec.logical))) {}

  void add(const WeightPart& part) {
    const std::int64_t n = part.values.elements();
    const std::int64_t count =
        std::clamp<std::int64_t>(there_ - part.offset, 0, n);
    for (mesh::Stretch stretch : local_.stretches(part.offset, count)) {
      stretch.local += size_ - part.offset;
      stretches_.push_back(stretch);
    }
    size_ += n;
  }

  const std::vector<mesh::Stretch>& stretches() const { return stretches_; }
  std::int64_t size() const { return size_; }

 private:
  const mesh::LocalPart& local_;
  std::int64_t there_;  // local elements that are not padding
  std::int64_t size_ = 0;
  std::vector<mesh::Stretch> stretches_;
};

// Uploads the parts, each in its own type.
void upload(Stream& stream,
            std::span<const WeightPart> parts,
            std::span<const float> host) {
  std::vector<std::byte> converted;
  for (const WeightPart& part : parts) {
    const std::int64_t n = part.values.elements();
    converted.resize(part.values.size_bytes());
    comm::convert(Tensor(converted.data(), {n}, part.values.dtype()),
                  ConstTensor(host.data(), {n}));
    launch(stream, kernels::Upload{.y = part.values, .host = converted});
    host = host.subspan(static_cast<std::size_t>(n));
  }
}

const std::string& name_of(const RankModel& rank_model,
                           const parallel::Slice& slice) {
  return rank_model.parameters()[slice.weight].name;
}

// Acquires the bucket of a part.
Acquired acquire(parallel::ParameterStore& store,
                 const OwnedPart& part,
                 Access access) {
  parallel::Wants wants;
  switch (part.of) {
    case OwnedPart::Of::kWeight:
      wants.weight = access;
      break;
    case OwnedPart::Of::kMaster:
      wants.master = access;
      break;
    case OwnedPart::Of::kState:
      wants.states = access;
      break;
  }
  return store.acquire(part.slice.bucket, wants);
}

Tensor values_of(const Acquired& acquired, const OwnedPart& part) {
  const parallel::Shard shard = acquired.shard(part.slice);
  switch (part.of) {
    case OwnedPart::Of::kWeight:
      return shard.values;
    case OwnedPart::Of::kMaster:
      return shard.master;
    case OwnedPart::Of::kState:
      break;
  }
  return shard.states[part.state];
}

// All parts of weights or of masters, with this end of their names.
std::vector<OwnedPart> owned(const RankModel& rank_model,
                             OwnedPart::Of of,
                             DType dtype,
                             const std::string& end = {}) {
  std::vector<OwnedPart> parts;
  for (const parallel::Slice& slice : rank_model.store().slices()) {
    parts.push_back({.name = name_of(rank_model, slice) + end,
                     .slice = slice,
                     .of = of,
                     .dtype = dtype});
  }
  return parts;
}

}  // namespace

WeightCuts::WeightCuts(const model::ModelConfig& config,
                       const mesh::Place& place)
    : place_(place) {
  for (model::WeightSpec& spec :
       model::weights(config, place.part(mesh::Axis::kTensor).count)) {
    const std::string name = spec.name;
    weights_.emplace(name, std::move(spec));
  }
}

const model::WeightSpec& WeightCuts::weight(std::string_view tensor) const {
  auto found = weights_.find(tensor);
  for (std::string_view name = tensor;
       found == weights_.end() && name.rfind('.') != std::string_view::npos;
       found = weights_.find(name)) {
    name = name.substr(0, name.rfind('.'));
  }
  DURE_CHECK(found != weights_.end(),
             "tensor {} is neither a weight of the model nor a state of one",
             tensor);
  return found->second;
}

mesh::LocalPart WeightCuts::local(std::string_view tensor) const {
  const model::WeightSpec& spec = weight(tensor);
  return mesh::LocalPart(spec.shape, spec.placement, place_);
}

std::vector<OwnedPart> owned_weights(const RankModel& rank_model) {
  return owned(rank_model, OwnedPart::Of::kWeight, rank_model.types().compute);
}

std::vector<OwnedPart> first_masters(const RankModel& rank_model) {
  return owned(
      rank_model, OwnedPart::Of::kMaster, rank_model.store().master_type());
}

std::vector<OwnedPart> owned_masters(const RankModel& rank_model) {
  return owned(rank_model,
               OwnedPart::Of::kMaster,
               rank_model.store().master_type(),
               fmt::format(".{}", kMasterEnd));
}

std::string end_of(const optim::OptimizerState& state, std::int64_t rank) {
  return state.scope == optim::StateScope::kEachRank
             ? fmt::format("{}.{}", state.name, rank)
             : state.name;
}

std::vector<OwnedPart> owned_states(
    const RankModel& rank_model,
    std::span<const optim::OptimizerState> states,
    std::span<const std::size_t> wanted) {
  std::vector<OwnedPart> parts;
  const parallel::ParameterStore& store = rank_model.store();
  for (const parallel::Slice& slice : store.slices()) {
    const int rank = store.groups(slice.bucket).all->rank();
    for (const std::size_t state : wanted) {
      parts.push_back({.name = fmt::format("{}.{}",
                                           name_of(rank_model, slice),
                                           end_of(states[state], rank)),
                       .slice = slice,
                       .of = OwnedPart::Of::kState,
                       .state = state,
                       .dtype = store.state_type()});
    }
  }
  return parts;
}

PartInUse acquire_to_read(Stream& stream,
                          parallel::ParameterStore& store,
                          const OwnedPart& part) {
  struct Read {
    Acquired acquired;
    kernels::OnHost host;
  };
  Acquired acquired = acquire(store, part, Access::kRead);
  const Tensor values = values_of(acquired, part);
  auto read = std::make_shared<const Read>(
      Read{std::move(acquired), kernels::OnHost(stream, values)});
  return {.values = read->host.tensor(), .owner = read};
}

void read_owned(Rank& rank,
                RankModel& rank_model,
                std::span<const OwnedPart> parts,
                const ReadStretches& read) {
  const WeightCuts cuts(rank_model.config(), rank.place());
  while (!parts.empty()) {
    const Acquired acquired =
        acquire(rank_model.store(), parts.front(), Access::kWrite);
    const int bucket = parts.front().slice.bucket;
    std::vector<WeightPart> in_use;
    for (; !parts.empty() && parts.front().slice.bucket == bucket;
         parts = parts.subspan(1)) {
      const OwnedPart& part = parts.front();
      in_use.push_back(
          {part.name, part.slice.offset, values_of(acquired, part)});
    }
    read_parts(rank.stream, in_use, cuts, read);
  }
}

void read_parts(Stream& stream,
                std::span<const WeightPart> parts,
                const WeightCuts& cuts,
                const ReadStretches& read) {
  std::vector<float> host;
  while (!parts.empty()) {
    const std::string& name = parts.front().name;
    const mesh::LocalPart local = cuts.local(name);
    Staging staging(cuts.weight(name), local);
    std::size_t alike = 0;
    for (; alike < parts.size() && parts[alike].name == name; ++alike) {
      staging.add(parts[alike]);
    }
    host.assign(static_cast<std::size_t>(staging.size()), 0);
    read(name, staging.stretches(), host);
    upload(stream, parts.first(alike), host);
    parts = parts.subspan(alike);
  }
}

}  // namespace dure::train
