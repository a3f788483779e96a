// The getters of Megatron-LM's parallel_state (mpu) under their own names, for
// people who come from there. Each is one line on Mesh; ours are shorter.
//
//   const Mpu mpu{.mesh = mesh, .rank = rank};
//   mpu.get_tensor_model_parallel_rank();  // mesh.coordinate(rank, kTensor)
//
// Groups are their global ranks, ascending. Data parallelism includes the
// expert axis, as in Megatron-LM, and the context axis where asked for. `model
// parallel` alone is the tensor axis: the name is older than Megatron's
// pipelines, and DeepSpeed, which asks a caller's mpu for it, means the ranks
// that share every matrix.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/mesh/mesh.h"

namespace dure::mesh {

struct Mpu {
  using Ranks = std::vector<int>;
  enum class Context : std::uint8_t { kWithout, kWith };

  Mesh mesh;
  int rank = 0;

  Ranks get_tensor_model_parallel_group() const { return group(kTensor); }
  int get_tensor_model_parallel_world_size() const { return size(kTensor); }
  int get_tensor_model_parallel_rank() const { return index(kTensor); }
  int get_tensor_model_parallel_src_rank() const { return first(kTensor); }

  Ranks get_pipeline_model_parallel_group() const { return group(kPipe); }
  int get_pipeline_model_parallel_world_size() const { return size(kPipe); }
  int get_pipeline_model_parallel_rank() const { return index(kPipe); }
  int get_pipeline_model_parallel_first_rank() const { return first(kPipe); }
  int get_pipeline_model_parallel_last_rank() const {
    return mesh.last(rank, kPipe);
  }
  int get_pipeline_model_parallel_next_rank() const {
    return mesh.next(rank, Axis::kPipe);
  }
  int get_pipeline_model_parallel_prev_rank() const {
    return mesh.previous(rank, Axis::kPipe);
  }
  bool is_pipeline_first_stage() const {
    return mesh.is_first(rank, Axis::kPipe);
  }
  bool is_pipeline_last_stage() const {
    return mesh.is_last(rank, Axis::kPipe);
  }

  Ranks get_data_parallel_group(Context with = Context::kWithout) const {
    return group(data(with));
  }
  int get_data_parallel_world_size(Context with = Context::kWithout) const {
    return size(data(with));
  }
  int get_data_parallel_rank(Context with = Context::kWithout) const {
    return index(data(with));
  }
  int get_data_parallel_src_rank(Context with = Context::kWithout) const {
    return first(data(with));
  }

  Ranks get_context_parallel_group() const { return group(kContext); }
  int get_context_parallel_world_size() const { return size(kContext); }
  int get_context_parallel_rank() const { return index(kContext); }

  Ranks get_expert_model_parallel_group() const { return group(kExpert); }
  int get_expert_model_parallel_world_size() const { return size(kExpert); }
  int get_expert_model_parallel_rank() const { return index(kExpert); }
  Ranks get_expert_data_parallel_group() const { return group(kExpertData); }
  int get_expert_data_parallel_world_size() const { return size(kExpertData); }
  int get_expert_data_parallel_rank() const { return index(kExpertData); }

  Ranks get_model_parallel_group() const { return group(kTensor); }
  int get_model_parallel_world_size() const { return size(kTensor); }
  int get_model_parallel_rank() const { return index(kTensor); }
  int get_model_parallel_src_rank() const { return first(kTensor); }

  Ranks get_tensor_and_context_parallel_group() const {
    return group({Axis::kTensor, Axis::kContext});
  }
  Ranks get_tensor_and_data_parallel_group() const {
    return group({Axis::kTensor, Axis::kData, Axis::kExpert});
  }

  // Who holds the token embedding: the first stage and, tied to it, the last.
  Ranks get_embedding_group() const {
    Ranks ranks = {get_pipeline_model_parallel_first_rank()};
    if (get_pipeline_model_parallel_world_size() > 1) {
      ranks.push_back(get_pipeline_model_parallel_last_rank());
    }
    return ranks;
  }
  bool is_rank_in_embedding_group() const {
    return is_pipeline_first_stage() || is_pipeline_last_stage();
  }
  Ranks get_position_embedding_group() const { return {first(kPipe)}; }
  bool is_rank_in_position_embedding_group() const {
    return is_pipeline_first_stage();
  }

 private:
  static constexpr AxisSet kTensor = {Axis::kTensor};
  static constexpr AxisSet kPipe = {Axis::kPipe};
  static constexpr AxisSet kContext = {Axis::kContext};
  static constexpr AxisSet kExpert = {Axis::kExpert};
  static constexpr AxisSet kExpertData = {Axis::kData, Axis::kContext};

  static AxisSet data(Context with) {
    return with == Context::kWith ? kReplicas
                                  : AxisSet{Axis::kData, Axis::kExpert};
  }
  Ranks group(AxisSet axes) const { return mesh.group(rank, axes); }
  int size(AxisSet axes) const { return mesh.size(axes); }
  int index(AxisSet axes) const { return mesh.index(rank, axes); }
  int first(AxisSet axes) const { return mesh.first(rank, axes); }
};

}  // namespace dure::mesh
