#include "dure/kernels/cuda/cudnn_attention.h"

#include <map>
#include <memory>

#include "dure/base/check.h"
#include "dure/kernels/cuda/attention_problem.h"
#include "dure/kernels/cuda/attention_statistics.h"
#include "dure/kernels/cuda/cudnn_graph.h"
#include "dure/tensor/cuda/check.h"
#include "dure/tensor/cuda/queue.h"

namespace dure::kernels {
namespace {

void check_cudnn(cudnnStatus_t status, const char* function) {
  DURE_CHECK(status == CUDNN_STATUS_SUCCESS,
             "{} failed: {}",
             function,
             cudnnGetErrorString(status));
}

// Memory of the device that grows as it is asked for. Giving the smaller block
// back waits for the device.
class GrowingMemory {
 public:
  void* at_least(std::size_t bytes) {
    if (bytes > bytes_) {
      bytes_ = 0;
      memory_.reset();
      memory_ = std::make_unique<CudaHandle<void*, cudaFree>>();
      DURE_CUDA(cudaMalloc(memory_->address(), bytes));
      bytes_ = bytes;
    }
    return memory_ == nullptr ? nullptr : memory_->get();
  }

 private:
  std::unique_ptr<CudaHandle<void*, cudaFree>> memory_;
  std::size_t bytes_ = 0;
};

// How a problem is run: by the graph of a part.
struct CudnnPlan {
  AttentionProblem part;
  std::unique_ptr<CudnnGraph> graph;  // null: cuDNN does not know the problem
};

CudnnPlan plan_of(const AttentionProblem& problem, cudnnHandle_t handle) {
  CudnnPlan plan;
  for (const AttentionSlice& slice : slices_of(problem)) {
    plan.part = part_of(problem, slice);
    plan.graph = CudnnGraph::build(plan.part, handle);
    if (plan.graph == nullptr ||
        plan.graph->workspace_bytes() <= kMostCudnnWorkspace) {
      return plan;
    }
  }
  plan.graph = nullptr;
  return plan;
}

class CudnnContext {
 public:
  cudnnHandle_t handle_on(cudaStream_t stream) {
    if (handle_.get() == nullptr) {
      check_cudnn(cudnnCreate(handle_.address()), "cudnnCreate");
      check_cudnn(cudnnSetStream(handle_.get(), stream), "cudnnSetStream");
    }
    return handle_.get();
  }

  const CudnnPlan& plan(const AttentionProblem& problem, cudaStream_t stream) {
    const auto known = plans_.find(problem);
    return known != plans_.end()
               ? known->second
               : plans_.emplace(problem, plan_of(problem, handle_on(stream)))
                     .first->second;
  }

  void* workspace(std::size_t bytes) { return workspace_.at_least(bytes); }
  float* statistics(std::int64_t count) {
    return static_cast<float*>(
        statistics_.at_least(static_cast<std::size_t>(count) * sizeof(float)));
  }

 private:
  CudaHandle<cudnnHandle_t, cudnnDestroy> handle_;
  std::map<AttentionProblem, CudnnPlan> plans_;
  GrowingMemory workspace_;
  GrowingMemory statistics_;
};

// The first element of an operand, as a graph's memory.
void* first_of(const ConstHeads& heads) {
  auto* const bytes =
      static_cast<std::byte*>(const_cast<void*>(heads.tensor.bytes()));
  return bytes + heads.at.first * size_of(heads.tensor.dtype());
}
void* first_of(const ConstTensor& rows) {
  return const_cast<void*>(rows.bytes());
}

// The operands of the part that begins with this sample and key head.
struct PartPlace {
  const AttentionProblem& problem;
  std::int64_t sample;
  std::int64_t kv_head;

  std::int64_t head() const {
    return kv_head * (problem.heads / problem.kv_heads);
  }
  template <typename Byte>
  void move(Byte*& first, const HeadSteps& steps, std::int64_t heads) const {
    if (first != nullptr) {
      using Bytes =
          std::conditional_t<std::is_const_v<Byte>, const std::byte, std::byte>;
      first =
          static_cast<Bytes*>(first) +
          (sample * steps.sample + heads * steps.head) * size_of(problem.dtype);
    }
  }

  AttentionAddresses operator()(AttentionAddresses at) const {
    move(at.q, problem.q, head());
    move(at.k, problem.k, kv_head);
    move(at.v, problem.v, kv_head);
    move(at.y, problem.y, head());
    move(at.d_y, problem.y, head());
    move(at.d_q, problem.d_q, head());
    move(at.d_k, problem.d_k, kv_head);
    move(at.d_v, problem.d_v, kv_head);
    at.statistics += (sample * problem.heads + head()) * problem.queries;
    return at;
  }
};

void execute(CudnnContext& context,
             const AttentionProblem& problem,
             const CudnnPlan& plan,
             const AttentionAddresses& at,
             cudaStream_t stream) {
  void* const workspace = context.workspace(plan.graph->workspace_bytes());
  for (std::int64_t b = 0; b < problem.samples; b += plan.part.samples) {
    for (std::int64_t g = 0; g < problem.kv_heads; g += plan.part.kv_heads) {
      const PartPlace place = {problem, b, g};
      plan.graph->execute(context.handle_on(stream), place(at), workspace);
    }
  }
}

StatisticsShape statistics_shape(const AttentionProblem& problem) {
  return {.samples = problem.samples,
          .queries = problem.queries,
          .heads = problem.heads};
}

AttentionAddresses inputs_of(const AttentionInputs& in) {
  AttentionAddresses at;
  at.q = first_of(in.q);
  at.k = first_of(in.k);
  at.v = first_of(in.v);
  return at;
}

// A run needs this where cuDNN knows the problem.
struct Known {
  CudnnContext& context;
  const CudnnPlan& plan;
  cudaStream_t cuda_stream;
  float* statistics;
};

std::optional<Known> known(Stream& stream,
                           const std::optional<AttentionProblem>& problem) {
  if (!problem) {
    return std::nullopt;
  }
  auto& context = stream.kept<CudnnContext>();
  cudaStream_t const cuda_stream = cuda_queue(stream.queue()).stream();
  const CudnnPlan& plan = context.plan(*problem, cuda_stream);
  if (plan.graph == nullptr) {
    return std::nullopt;
  }
  return Known{
      context,
      plan,
      cuda_stream,
      context.statistics(problem->samples * problem->heads * problem->queries)};
}

}  // namespace

bool run_by_cudnn(Stream& stream, const Attention& op) {
  const auto problem = problem_of(op);
  const auto to = known(stream, problem);
  if (!to) {
    return false;
  }
  AttentionAddresses at = inputs_of(op.in);
  at.y = first_of(op.y);
  at.statistics = to->statistics;
  execute(to->context, *problem, to->plan, at, to->cuda_stream);
  statistics_by_query(
      stream, op.lse.data<float>(), to->statistics, statistics_shape(*problem));
  return true;
}

bool run_by_cudnn(Stream& stream, const AttentionBackward& op) {
  const auto problem = problem_of(op);
  const auto to = known(stream, problem);
  if (!to) {
    return false;
  }
  statistics_by_head(
      stream, to->statistics, op.lse.data<float>(), statistics_shape(*problem));
  AttentionAddresses at = inputs_of(op.in);
  at.y = first_of(op.y);
  at.statistics = to->statistics;
  at.d_y = first_of(op.d_y);
  at.d_q = first_of(op.d_q);
  at.d_k = first_of(op.d_k);
  at.d_v = first_of(op.d_v);
  execute(to->context, *problem, to->plan, at, to->cuda_stream);
  return true;
}

}  // namespace dure::kernels
