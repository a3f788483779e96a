#include "dure/kernels/cuda/cublaslt_product.h"

#include <algorithm>
#include <memory>

#include "dure/base/check.h"
#include "dure/tensor/cuda/check.h"
#include "dure/tensor/cuda/queue.h"

namespace dure::kernels {
namespace {

// NVIDIA recommends it for compute capability 9.0 [cuBLAS documentation,
// cublasSetWorkspace()].
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
constexpr std::size_t kMostAlignment = 16;

using LtHandle = CudaHandle<cublasLtHandle_t, cublasLtDestroy>;
using LtDescription =
    CudaHandle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using LtLayout =
    CudaHandle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using LtPreference =
    CudaHandle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t lt_type(DType dtype) {
  return dtype == DType::kBf16  ? CUDA_R_16BF
         : dtype == DType::kF16 ? CUDA_R_16F
                                : CUDA_R_32F;
}

std::uint8_t alignment_of(const std::byte* first) {
  const auto address = reinterpret_cast<std::uintptr_t>(first);
  const std::size_t lowest_bit = address & (~address + 1);
  return static_cast<std::uint8_t>(std::min(lowest_bit, kMostAlignment));
}

template <typename Value>
void set(const LtDescription& description,
         cublasLtMatmulDescAttributes_t attribute,
         const Value& value) {
  check_cublas(cublasLtMatmulDescSetAttribute(
                   description.get(), attribute, &value, sizeof value),
               "cublasLtMatmulDescSetAttribute");
}

template <typename Value>
void set(const LtPreference& preference,
         cublasLtMatmulPreferenceAttributes_t attribute,
         const Value& value) {
  check_cublas(cublasLtMatmulPreferenceSetAttribute(
                   preference.get(), attribute, &value, sizeof value),
               "cublasLtMatmulPreferenceSetAttribute");
}

// cuBLASLt takes matrices by columns. A matrix by rows is its transpose by
// columns, and y' = op(b)' op(a)': so b is its A, and a its B.
class Description {
 public:
  explicit Description(const LtProduct& product) {
    check_cublas(cublasLtMatmulDescCreate(
                     product_.address(), CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSA, product.transpose_b);
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSB, product.transpose_a);
    if (product.bias != nullptr) {
      const std::uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      const std::int32_t bias_type = lt_type(product.y.dtype);
      set(product_, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
      set(product_, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, bias_type);
    }
    lay_out(product.a, a_);
    lay_out(product.b, b_);
    lay_out(product.y, y_);
  }

  // The heuristics learn the bias's alignment from its address.
  void set_bias(const std::byte* bias) const {
    if (bias != nullptr) {
      set(product_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
  }

  const LtDescription& product() const { return product_; }
  cublasLtMatrixLayout_t a() const { return a_.get(); }
  cublasLtMatrixLayout_t b() const { return b_.get(); }
  cublasLtMatrixLayout_t y() const { return y_.get(); }

 private:
  void set_transpose(cublasLtMatmulDescAttributes_t attribute,
                     Transpose transpose) {
    const std::int32_t operation =
        transpose == Transpose::kYes ? CUBLAS_OP_T : CUBLAS_OP_N;
    set(product_, attribute, operation);
  }
  static void lay_out(const MatrixBlock& block, LtLayout& layout) {
    check_cublas(
        cublasLtMatrixLayoutCreate(layout.address(),
                                   lt_type(block.dtype),
                                   static_cast<std::uint64_t>(block.columns),
                                   static_cast<std::uint64_t>(block.rows),
                                   block.step),
        "cublasLtMatrixLayoutCreate");
  }

  LtDescription product_;
  LtLayout a_;
  LtLayout b_;
  LtLayout y_;
};

// A stream's handle and what products of its stream reuse.
class LtContext {
 public:
  LtContext() {
    check_cublas(cublasLtCreate(handle_.address()), "cublasLtCreate");
  }

  cublasLtHandle_t handle() const { return handle_.get(); }
  ProductChoices& choices() { return choices_; }

  const Description& description_of(const ProductKey& key,
                                    const LtProduct& product) {
    std::unique_ptr<Description>& slot = descriptions_[key];
    if (slot == nullptr) {
      slot = std::make_unique<Description>(product);
    }
    return *slot;
  }

  // Memory is taken when it is first asked for.
  void* workspace(std::size_t bytes) {
    return bytes == 0 ? nullptr : at_least(workspace_, kWorkspaceBytes);
  }
  Staging staging() {
    constexpr std::size_t kBytes = 2 * kStagedFloats * sizeof(float);
    auto* const first = static_cast<float*>(at_least(staging_, kBytes));
    return {.operand = first, .sums = first + kStagedFloats};
  }

 private:
  using Memory = CudaHandle<void*, cudaFree>;

  static void* at_least(Memory& memory, std::size_t bytes) {
    if (memory.get() == nullptr) {
      DURE_CUDA(cudaMalloc(memory.address(), bytes));
    }
    return memory.get();
  }

  LtHandle handle_;
  Memory workspace_;
  Memory staging_;
  ProductChoices choices_;
  std::map<ProductKey, std::unique_ptr<Description>> descriptions_;
};

std::unique_ptr<LtPreference> preference_for(const ProductKey& key) {
  auto preference = std::make_unique<LtPreference>();
  check_cublas(cublasLtMatmulPreferenceCreate(preference->address()),
               "cublasLtMatmulPreferenceCreate");
  const std::uint64_t workspace_bytes = kWorkspaceBytes;
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(*preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
  set(*preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  const auto [y, a, b, bias, addend] = key.alignments;
  const std::uint32_t of_a = a;
  const std::uint32_t of_b = b;
  const std::uint32_t of_y = y;
  const std::uint32_t of_addend = addend == 0 ? y : addend;
  set(*preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, of_b);
  set(*preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, of_a);
  set(*preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_addend);
  set(*preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_y);
  return preference;
}

ProductChoice recommended(const LtContext& context,
                          const Description& description,
                          const ProductKey& key) {
  const auto preference = preference_for(key);
  cublasLtMatmulHeuristicResult_t result = {};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(context.handle(),
                                     description.product().get(),
                                     description.b(),
                                     description.a(),
                                     description.y(),
                                     description.y(),
                                     preference->get(),
                                     1,
                                     &result,
                                     &found);
  check_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
  const auto [M, N, K] = key.sizes;
  DURE_CHECK(found > 0,
             "cuBLASLt knows no algorithm for a product of {} with M {}, N {}, "
             "K {} on this device",
             name_of(key.operands),
             M,
             N,
             K);
  return {.algorithm = result.algo, .workspace_bytes = result.workspaceSize};
}

const ProductChoice& choice_of(LtContext& context,
                               const Description& description,
                               const ProductKey& key) {
  const auto known = context.choices().find(key);
  if (known != context.choices().end()) {
    return known->second;
  }
  return context.choices()
      .emplace(key, recommended(context, description, key))
      .first->second;
}

}  // namespace

void check_cublas(cublasStatus_t status, const char* function) {
  DURE_CHECK(status == CUBLAS_STATUS_SUCCESS,
             "{} failed: {}",
             function,
             cublasLtGetStatusString(status));
}

ProductKey key_of(const LtProduct& product) {
  const auto& [y, a, b, transpose_a, transpose_b, bias, addend] = product;
  const std::int64_t K = transpose_a == Transpose::kYes ? a.rows : a.columns;
  const auto optional = [](const std::byte* first) {
    return first == nullptr ? std::uint8_t{0} : alignment_of(first);
  };
  return {.sizes = {y.rows, y.columns, K},
          .steps = {y.step, a.step, b.step},
          .y = y.dtype,
          .operands = a.dtype,
          .transpose_a = transpose_a,
          .transpose_b = transpose_b,
          .alignments = {alignment_of(y.first),
                         alignment_of(a.first),
                         alignment_of(b.first),
                         optional(bias),
                         optional(addend)}};
}

ProductChoices& product_choices(Stream& stream) {
  return stream.kept<LtContext>().choices();
}

void multiply(Stream& stream, const LtProduct& product) {
  auto& context = stream.kept<LtContext>();
  const ProductKey key = key_of(product);
  const Description& description = context.description_of(key, product);
  description.set_bias(product.bias);
  const ProductChoice& choice = choice_of(context, description, key);
  const float one = 1;
  const float addend_factor = product.addend != nullptr ? 1 : 0;
  const std::byte* const addend =
      product.addend != nullptr ? product.addend : product.y.first;
  check_cublas(cublasLtMatmul(context.handle(),
                              description.product().get(),
                              &one,
                              product.b.first,
                              description.b(),
                              product.a.first,
                              description.a(),
                              &addend_factor,
                              addend,
                              description.y(),
                              product.y.first,
                              description.y(),
                              &choice.algorithm,
                              context.workspace(choice.workspace_bytes),
                              choice.workspace_bytes,
                              cuda_queue(stream.queue()).stream()),
               "cublasLtMatmul");
}

Staging staging_of(Stream& stream) {
  return stream.kept<LtContext>().staging();
}

}  // namespace dure::kernels
