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

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/gradients.h"
#include "dure/parallel/replica/replica_groups.h"
#include "dure/parallel/zero/values.h"
#include "dure/parallel/zero/weight_versions.h"

namespace dure::parallel {

// kNone: the weights are only read.
enum class WithGradients : std::uint8_t { kNo, kYes };

struct StoreOptions {
  int stage = 0;
  int shard_size = 0;                // 0: all ranks of the data, at stage 0 one
  int prefetch = 1;                  // readings ahead, at stage 3
  Gather gather = Gather::kEachUse;  // at stage 3
  double bucket_bytes = 25 << 20;
  double first_bucket_bytes = 1 << 20;
  Gradients::Order order = Gradients::Order::kFast;
  WithGradients gradients = WithGradients::kYes;
  std::optional<Tied> tied = std::nullopt;  // with another stage
};

// Elements that this rank keeps: it updates them, and saves them.
struct Kept {
  int weight = 0;           // in the parameter set
  std::int64_t offset = 0;  // of the first element, in the weight
  Tensor value;             // flat; of a whole weight, in its shape
  Tensor gradient = {};     // likewise; empty without gradients
};

class ParameterStore final : public nn::ParameterHome {
 public:
  // Collective over `data`, the ranks that see different samples, in the order
  // of the samples. All references outlive this. Values are uninitialised.
  ParameterStore(Stream& stream,
                 Arena& arena,
                 nn::ParameterSet& parameters,
                 comm::Communicator& data,
                 const StoreOptions& options);
  ~ParameterStore() override;

  void begin(int unit, nn::Uses uses, const nn::Context& ctx) override;
  void end(int unit, nn::Uses uses, const nn::Context& ctx) override;

  // A step: begin_step with all of its visits, in this rank's order; then these
  // visits, each of the micro-batch that its Context says; then
  // finish_gradients, and the kept gradients are sums over all ranks and
  // micro-batches.
  void begin_step(std::span<const nn::Visit> visits);
  void finish_gradients();

  // Steps whose micro-batches overlap (weight_versions.h), of stages 0 to 2:
  // begin_overlap before the first of them, before_update in each between
  // finish_gradients and the update.
  void begin_overlap(std::vector<int> versions);
  void before_update(int last_micro_batch);

  // After first values were put into what is kept: those of the first shard
  // group become everybody's.
  void share();
  // After kept values have changed, alike on all ranks that keep them.
  void publish() { values_->publish(); }
  // Waits for what publish() has started.
  void settle() { values_->settle(); }

  const std::vector<Kept>& kept() const { return kept_; }
  const BucketPlan& plan() const { return plan_; }
  ReplicaGroups& groups() { return groups_; }

 private:
  Gradients::Place place() {
    return {stream_, arena_, plan_, groups_, parameters_};
  }
  std::vector<Kept> find_kept() const;

  Stream& stream_;
  Arena& arena_;
  nn::ParameterSet& parameters_;
  ReplicaGroups groups_;
  BucketPlan plan_;
  int stage_;
  std::unique_ptr<Values> values_;
  std::optional<WeightVersions> versions_;  // where steps overlap
  std::unique_ptr<Gradients> gradients_;
  std::vector<Kept> kept_;
};

}  // namespace dure::parallel
