// Where the weights and gradients of a data-parallel rank live: the executor of
// plain data parallelism and of ZeRO's stages [1].
//
//   stage   optimizer states   gradients   values
//   0       whole              whole       whole
//   1       parts              whole       whole
//   2       parts              parts       whole
//   3       parts              parts       parts
//
// [1] Rajbhandari et al. 2020, arXiv:1910.02054, section 5.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dure/kernels/update.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/gradients.h"
#include "dure/parallel/replica/replica_groups.h"
#include "dure/parallel/zero/values.h"
#include "dure/parallel/zero/weight_versions.h"

namespace dure::parallel {

struct StoreOptions {
  int stage = 0;
  int shard_size = 0;                // 0: all ranks of a sum, at stage 0 one
  int prefetch = 1;                  // readings ahead, at stage 3
  Gather gather = Gather::kEachUse;  // at stage 3
  double bucket_bytes = 25 << 20;
  double first_bucket_bytes = 1 << 20;
  comm::SumOrder order = comm::SumOrder::kFast;
  nn::Phase phase = nn::Phase::kTrain;      // kEvaluate: without gradients
  std::optional<Tied> tied = std::nullopt;  // with another stage

  // What the optimizer wants (optim/optimizer.h). Gradients of this rank alone:
  // at stage 0.
  kernels::SpanCut spans = kernels::SpanCut::kAnywhere;
  kernels::GradientOf gradients_of = kernels::GradientOf::kAllRanks;
};

// What whoever acquires a bucket wants of this rank's part of it.
enum class Access : std::uint8_t { kNone, kRead, kWrite };
struct Wants {
  Access weight = Access::kNone;  // the newest version
  Access master = Access::kNone;
  Access gradient = Access::kNone;
  Access states = Access::kNone;  // of the optimizer
};

// What this rank owns of a weight, or a piece of that: it updates and saves it.
// All tensors are flat; one that was not acquired is empty. In fp32 the master,
// which is updated, and the weight, which layers read, are the same memory.
struct Shard {
  int weight = 0;           // in the parameter set
  std::int64_t offset = 0;  // of the first element, in the weight
  Tensor master = {};
  Tensor values = {};
  Tensor gradient = {};
  std::array<Tensor, kernels::kMostStates> states = {};
};

// The ranks that are elsewhere on these axes alone, in the order of the
// samples: asked for what the weights of a store are summed over
// (mesh::summed_over), which need not be the same for all.
using RanksOf = std::function<comm::Communicator&(mesh::AxisSet)>;

class ParameterStore;

// A bucket in use, until this is destroyed. Move-only. Threads: the rank's own,
// to the last.
class Acquired {
 public:
  Acquired(Acquired&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)),
        bucket_(other.bucket_),
        wants_(other.wants_) {}
  Acquired& operator=(Acquired&&) = delete;
  ~Acquired();

  // Of what this rank owns in the bucket, or of a piece of it.
  Shard shard(const Slice& slice) const;

 private:
  friend class ParameterStore;
  Acquired(ParameterStore& store, int bucket, Wants wants)
      : store_(&store), bucket_(bucket), wants_(wants) {}

  ParameterStore* store_;
  int bucket_;
  Wants wants_;
};

class ParameterStore final : public nn::ParameterHome {
 public:
  // Collective over the ranks that hold the same weights. All references, and
  // the ranks asked for, outlive this. Values are uninitialised.
  ParameterStore(Stream& stream,
                 Arena& arena,
                 nn::ParameterSet& parameters,
                 const RanksOf& ranks,
                 const StoreOptions& options);
  ~ParameterStore() override;

  void begin(int unit, nn::Uses uses, const nn::Context& ctx) override;
  void end(int unit, nn::Uses uses, const nn::Context& ctx) override;

  // A step: begin_step with all of its visits, in this rank's order; then these
  // visits, each of the micro-batch that its Context says; then
  // finish_gradients, and the gradients that this rank owns are sums over all
  // ranks and micro-batches.
  void begin_step(std::span<const nn::Visit> visits);
  void finish_gradients();

  // Steps whose micro-batches may overlap (weight_versions.h): begin_overlap
  // before the first of them, before_update in each between finish_gradients
  // and the update. No versions: they do not. At stage 3 they can't.
  void begin_overlap(std::vector<int> versions);
  void before_update(int last_micro_batch);

  // After first values were put into masters: those of the first shard group
  // become everybody's.
  void share();
  // After weights have changed, alike on all ranks that own them.
  void publish();
  // Waits for what publish() has started.
  void settle() { values_->settle(); }

  // States of an optimizer, at 0: as many tensors for each weight.
  void add_states(std::size_t count);

  // What this rank owns, in the order of the weights, and of one bucket.
  std::span<const Slice> slices() const { return slices_; }
  std::span<const Slice> slices(int bucket) const;
  int buckets() const { return static_cast<int>(plan_.buckets.size()); }

  // Nobody else holds views of weights, gradients or states: they may be
  // anywhere between two uses. Gradients are there after finish_gradients().
  Acquired acquire(int bucket, Wants wants);

  const BucketPlan& plan() const { return plan_; }
  // The ranks that share a bucket; and all such, by Bucket::replicas, with the
  // axes that each of them goes over.
  const ReplicaGroups& groups(int bucket) const {
    return groups_[plan_.buckets[static_cast<std::size_t>(bucket)].replicas];
  }
  mesh::AxisSet axes(int bucket) const {
    return axes_[plan_.buckets[static_cast<std::size_t>(bucket)].replicas];
  }
  std::span<const ReplicaGroups> groups() const { return groups_; }
  std::span<const mesh::AxisSet> axes() const { return axes_; }

 private:
  Gradients::Place place() {
    return {stream_, arena_, plan_, groups_, parts_, parameters_};
  }
  friend class Acquired;
  void find_first_slices();
  Shard shard(int bucket, const Slice& slice, Wants wants) const;
  Tensor state(std::size_t kind, const Slice& slice) const;

  Stream& stream_;
  Arena& arena_;
  nn::ParameterSet& parameters_;
  std::vector<mesh::AxisSet> axes_;  // by Bucket::replicas
  std::vector<ReplicaGroups> groups_;
  Parts parts_;  // this rank's
  BucketPlan plan_;
  int stage_;
  std::unique_ptr<Values> values_;
  std::optional<WeightVersions> versions_;  // where steps overlap
  std::unique_ptr<Gradients> gradients_;
  std::vector<Slice> slices_;
  std::vector<std::ptrdiff_t> first_slices_;  // by bucket, and their number
  // Of each kind one after another, as the slices are.
  std::vector<OwnedTensor> states_;
  std::vector<std::int64_t> state_places_;  // by weight, where its offset is 0
  int held_ = 0;                            // acquisitions
};

// function(shard) of all that this rank owns, bucket by bucket.
template <typename Function>
void for_each_shard(ParameterStore& store, Wants wants, Function&& function) {
  for (int bucket = 0; bucket < store.buckets(); ++bucket) {
    const Acquired acquired = store.acquire(bucket, wants);
    for (const Slice& slice : store.slices(bucket)) {
      function(acquired.shard(slice));
    }
  }
}

}  // namespace dure::parallel
