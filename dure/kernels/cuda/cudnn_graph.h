// An attention problem as a graph of cuDNN, and the plan that runs it.
//
// Sums are in f32. The first deterministic plan that cuDNN's heuristics offer
// is taken, so that a problem has the same bits on the same device and version
// of cuDNN. The backward adds no gradient by atomics.
//
// Source: cuDNN documentation, "Attention", "Scaled dot product attention".
#pragma once

#include <cudnn.h>
#include <memory>
#include <string>

#include "dure/kernels/cuda/attention_problem.h"

namespace dure::kernels {

// The operands of a part. Forward: y and statistics are written, the rest from
// d_y on is not used; backward: d_q, d_k and d_v are written.
struct AttentionAddresses {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* y = nullptr;
  float* statistics = nullptr;  // (B, H, Sq): of each query the log-sum-exp
  const void* d_y = nullptr;
  void* d_q = nullptr;
  void* d_k = nullptr;
  void* d_v = nullptr;
};

class CudnnGraph {
 public:
  // Null if cuDNN does not know the problem on the handle's device. Throws
  // Error if it does and cannot make a plan all the same.
  static std::unique_ptr<CudnnGraph> build(const AttentionProblem& problem,
                                           cudnnHandle_t handle);

  CudnnGraph(const CudnnGraph&) = delete;
  CudnnGraph& operator=(const CudnnGraph&) = delete;
  ~CudnnGraph();

  std::size_t workspace_bytes() const { return workspace_bytes_; }

  // On the handle's stream.
  void execute(cudnnHandle_t handle,
               const AttentionAddresses& at,
               void* workspace) const;

 private:
  struct Graph;

  CudnnGraph(std::unique_ptr<Graph> graph, std::size_t workspace_bytes);

  std::unique_ptr<Graph> graph_;
  std::size_t workspace_bytes_;
};

// A device that need not be there.
struct DescribedDevice {
  int compute_capability = 0;  // 90 is that of an H100 or H200
  std::string properties;      // as cuDNN writes them, in JSON
};

// Why cuDNN does not know the problem on a device, in its own words; empty if
// it does. Throws Error if the properties are not cuDNN's.
std::string refusal(const AttentionProblem& problem,
                    const DescribedDevice& device);

}  // namespace dure::kernels
