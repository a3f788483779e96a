// One rank: a stream and an arena on a device, and the other ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "dure/comm/communicator.h"
#include "dure/comm/host_ranks.h"
#include "dure/comm/sim/sim_communicator.h"
#include "dure/kernels/matmul.h"
#include "dure/mesh/mesh.h"
#include "dure/mesh/placement.h"
#include "dure/nn/context.h"
#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::train {

struct RankOptions {
  Device device = Device::kCpu;
  std::size_t limit_bytes = 0;    // of the arena; 0: what the machine has
  DeviceRates rates = {};         // of a simulated device
  int threads = 0;                // 0: as the world's options say
  comm::SimWorld simulated = {};  // the ranks, if the device is simulated
  // The ranks, on any other device; null: this one alone. Outlives the rank.
  comm::Communicator* world = nullptr;
  // Their mesh; without one they all share a batch.
  std::optional<mesh::Mesh> mesh = {};
  parallel::Rows rows = parallel::Rows::kWhole;  // of the residual stream
  comm::SumOrder sums = comm::SumOrder::kFast;   // over tensor ranks
  kernels::F32Product f32_product = kernels::F32Product::kF32;
};

class Rank {
 public:
  explicit Rank(const RankOptions& options);
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;
  ~Rank();

  nn::Context context() {
    return {.stream = stream, .arena = arena, .tensor = tensor()};
  }

  comm::Communicator& world() const { return *world_; }
  bool is_first() const { return world_->rank() == 0; }

  // All of the world, for host numbers; the other communicators carry tensors.
  comm::HostRanks& control() const { return *control_; }

  const mesh::Mesh& mesh() const { return mesh_; }

  mesh::Place place() const { return {mesh_, world_->rank()}; }

  // The ranks that differ from this one on these axes alone, in their order.
  // For mesh::kSamples they read different samples, in the order of the
  // samples. For mesh::kReplicas the gradients of an uncut weight are summed
  // over them. For mesh::kStages they have a stage of the model each. The first
  // call for another set is collective over the world.
  comm::Communicator& group(mesh::AxisSet axes);

  // The pipeline's first and last stage (the embedding group); null on others.
  comm::Communicator* ends() const { return ends_.get(); }

  // The ranks that read the same samples and share every matrix.
  parallel::TensorAxis tensor() {
    return {.stream = &stream,
            .arena = &arena,
            .ranks = &group({mesh::Axis::kTensor}),
            .rows = rows_,
            .sums = sums_};
  }

  Stream stream;
  Arena arena;

 private:
  std::unique_ptr<comm::Communicator> own_;
  comm::Communicator* world_;
  mesh::Mesh mesh_;
  std::unique_ptr<comm::HostRanks> control_;
  std::map<mesh::AxisSet, std::unique_ptr<comm::Communicator>> groups_;
  std::unique_ptr<comm::Communicator> ends_;
  parallel::Rows rows_;
  comm::SumOrder sums_;
};

}  // namespace dure::train
