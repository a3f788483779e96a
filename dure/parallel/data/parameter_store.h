// The store of a data-parallel rank's weights and gradients: the executor of
// plain data parallelism and of ZeRO's stages [1].
//
//   stage   optimizer states   gradients   values
//   0       whole              whole       whole
//   1       parts              whole       whole
//   2       parts              parts       whole
//   3       parts              parts       parts
//
// Masters are optimizer states: in fp32 they are the values.
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
#include "dure/parallel/data/bucket_plan.h"
#include "dure/parallel/data/gathered_parameters.h"
#include "dure/parallel/data/gradients.h"
#include "dure/parallel/data/replica_groups.h"
#include "dure/parallel/data/store_place.h"
#include "dure/parallel/data/tied.h"
#include "dure/parallel/data/weight_stash.h"

namespace dure::parallel {

struct StoreOptions {
  int stage = 0;
  int shard_size = 0;  // 0: all ranks of a sum, or one at stage 0
  int prefetch = 1;    // visits gathered ahead, at stage 3
  Reshard gather = Reshard::kAfterUse;  // at stage 3
  double bucket_bytes = 25 << 20;
  double first_bucket_bytes = 1 << 20;
  comm::SumOrder order = comm::SumOrder::kFast;
  nn::Phase phase = nn::Phase::kTrain;      // kEvaluate: without gradients
  std::optional<Tied> tied = std::nullopt;  // shared with another stage

  // The optimizer's wishes (optim/optimizer.h). Gradients of this rank alone
  // need stage 0.
  kernels::SpanCut spans = kernels::SpanCut::kAnywhere;
  kernels::GradientOf gradients_of = kernels::GradientOf::kAllRanks;

  DType master = DType::kF32;  // that of the weights: they are the masters
  DType states = DType::kF32;
  DType reduce = DType::kF32;  // of gradients between ranks
};

// A caller's use, by acquire(), of this rank's part of a bucket.
enum class Access : std::uint8_t { kNone, kRead, kWrite };
struct Wants {
  Access weight = Access::kNone;  // the newest version
  Access master = Access::kNone;
  Access gradient = Access::kNone;
  Access states = Access::kNone;  // of the optimizer
};

// A rank's shard of a weight, or a piece of it, which this rank updates and
// saves. All tensors are flat; one that was not acquired is empty. The master,
// which is updated, and the weight, which layers read, share memory if they
// have one type.
struct Shard {
  int weight = 0;           // in the parameter set
  std::int64_t offset = 0;  // of the first element, in the weight
  Tensor master = {};
  Tensor values = {};
  Tensor gradient = {};
  std::array<Tensor, kernels::kMostStates> states = {};
};

// The ranks that differ from this one on these axes alone, in the order of the
// samples. The store asks for the axes that its weights are summed over
// (mesh::summed_over), which may differ between weights.
using RanksOf = std::function<comm::Communicator&(mesh::AxisSet)>;

class ParameterStore;

// A bucket in use, until this is destroyed. Move-only. Threads: the rank's own,
// from first to last.
class Acquired {
 public:
  Acquired(Acquired&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)),
        bucket_(other.bucket_),
        wants_(other.wants_) {}
  Acquired& operator=(Acquired&&) = delete;
  ~Acquired();

  // The shard of a slice, or of a piece of one.
  Shard shard(const Slice& slice) const;

 private:
  friend class ParameterStore;
  Acquired(ParameterStore& store, int bucket, Wants wants)
      : store_(&store), bucket_(bucket), wants_(wants) {}

  ParameterStore* store_;
  int bucket_;
  Wants wants_;
};

class ParameterStore final : public nn::ParameterStorage {
 public:
  // Collective over the ranks that hold the same weights. All references, and
  // the ranks asked for, outlive this. Values are uninitialised.
  ParameterStore(Stream& stream,
                 Arena& arena,
                 nn::ParameterSet& parameters,
                 const RanksOf& ranks,
                 const StoreOptions& options);
  ~ParameterStore() override;

  void begin(int unit, nn::Access access, const nn::Context& ctx) override;
  void end(int unit, nn::Access access, const nn::Context& ctx) override;

  // A step: begin_step with all of its visits, in this rank's order; then these
  // visits, each with the micro-batch in its Context; then finish_gradients.
  // After that the gradients that this rank owns are sums over all ranks and
  // micro-batches.
  void begin_step(std::span<const nn::Visit> visits);
  void finish_gradients();

  // For steps whose micro-batches may overlap (weight_stash.h): call
  // begin_overlap before the first of them, and before_update in each between
  // finish_gradients and the update. Empty versions mean no overlap. At stage 3
  // steps can't overlap.
  void begin_overlap(std::vector<int> versions);
  void before_update(int last_micro_batch);

  // Called after masters got their first values: copies those of the first
  // shard group to all groups, and rounds them to the weights.
  void broadcast();
  // Called after weights have changed, alike on all ranks that own them: starts
  // to copy them to the other ranks.
  void all_gather();
  // Waits for the communication that all_gather() has started.
  void wait() { gathered_->wait(); }

  // Adds optimizer states, `count` tensors for each weight, with value 0.
  void add_states(std::size_t count);

  // The types of masters and states. Where masters have the type of weights,
  // they are the weights.
  DType master_type() const { return master_type_; }
  DType state_type() const { return state_type_; }
  bool has_masters() const { return static_cast<bool>(masters_); }

  // All that this rank owns, in the order of the weights; and what it owns of
  // one bucket.
  std::span<const Slice> slices() const { return slices_; }
  std::span<const Slice> slices(int bucket) const;
  int buckets() const { return static_cast<int>(plan_.buckets.size()); }

  // Nobody else holds views of weights, gradients or states, so they may be
  // anywhere between two uses. Gradients are there after finish_gradients().
  Acquired acquire(int bucket, Wants wants);

  const BucketPlan& plan() const { return plan_; }
  // The ranks that share a bucket, and the axes that they span; below, those of
  // all buckets, by Bucket::replicas.
  const ReplicaGroups& groups(int bucket) const {
    return groups_[plan_.buckets[static_cast<std::size_t>(bucket)].replicas];
  }
  mesh::AxisSet axes(int bucket) const {
    return axes_[plan_.buckets[static_cast<std::size_t>(bucket)].replicas];
  }
  std::span<const ReplicaGroups> groups() const { return groups_; }
  std::span<const mesh::AxisSet> axes() const { return axes_; }

 private:
  StorePlace place() {
    return {stream_,
            arena_,
            plan_,
            groups_,
            parts_,
            parameters_,
            gradient_type_,
            reduce_type_};
  }
  friend class Acquired;
  void find_first_slices();
  Shard shard(int bucket, const Slice& slice, Wants wants) const;
  // This rank's part of a bucket, and of one slice of it.
  Tensor masters(int bucket) const;
  Tensor values(int bucket, const Slice& slice) const;
  std::int64_t in_part(int bucket, const Slice& slice) const;
  // A slice of what it owns, in memory with the order of the slices.
  Tensor owned(const OwnedTensor& all, const Slice& slice) const;

  Stream& stream_;
  Arena& arena_;
  nn::ParameterSet& parameters_;
  std::vector<mesh::AxisSet> axes_;  // by Bucket::replicas
  std::vector<ReplicaGroups> groups_;
  Parts parts_;  // this rank's
  BucketPlan plan_;
  int stage_;
  DType gradient_type_;
  DType reduce_type_;
  std::unique_ptr<GatheredParameters> gathered_;
  std::optional<WeightStash> versions_;  // where steps overlap
  std::unique_ptr<Gradients> gradients_;
  std::vector<Slice> slices_;
  std::vector<std::ptrdiff_t> first_slices_;  // by bucket, and their number
  // The shards of masters, unless they are the weights, and of states of each
  // kind lie one after another, in the order of the slices.
  OwnedTensor masters_;
  DType master_type_;
  DType state_type_;
  std::vector<OwnedTensor> states_;
  std::vector<std::int64_t> owned_places_;  // by weight, where its offset is 0
  std::int64_t owned_elements_ = 0;
  int held_ = 0;  // acquisitions
};

// Calls function(shard) for all that this rank owns, bucket by bucket.
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
