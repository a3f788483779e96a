#include "dure/kernels/cuda/cublaslt_product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <vector>

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
  Description(const LtProduct& product, F32Product f32_product) {
    const cublasComputeType_t compute = f32_product == F32Product::kTf32
                                            ? CUBLAS_COMPUTE_32F_FAST_TF32
                                            : CUBLAS_COMPUTE_32F;
    check_cublas(
        cublasLtMatmulDescCreate(product_.address(), compute, CUDA_R_32F),
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

cudaDeviceProp this_device() {
  int device = 0;
  cudaDeviceProp properties = {};
  DURE_CUDA(cudaGetDevice(&device));
  DURE_CUDA(cudaGetDeviceProperties(&properties, device));
  return properties;
}

// A stream's handle and what products of its stream reuse.
class LtContext {
 public:
  LtContext() : device_(this_device()) {
    check_cublas(cublasLtCreate(handle_.address()), "cublasLtCreate");
  }

  cublasLtHandle_t handle() const { return handle_.get(); }
  ProductChoices& choices() { return choices_; }

  const Description& description_of(const ProductKey& key,
                                    const LtProduct& product) {
    std::unique_ptr<Description>& slot = descriptions_[key];
    if (slot == nullptr) {
      check_operands(key.operands);
      slot = std::make_unique<Description>(product, key.f32_product);
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

  void check_operands(DType operands) const {
    DURE_CHECK(operands != DType::kBf16 || device_.major >= 8,
               "a product of bf16: wanted a GPU of compute capability 8.0 or "
               "later, got {} of {}.{}; set precision.compute = \"fp16\" or "
               "\"fp32\" (--precision for eval and generate)",
               device_.name,
               device_.major,
               device_.minor);
  }

  cudaDeviceProp device_;
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

ProductChoice choice_from(const cublasLtMatmulHeuristicResult_t& result) {
  ProductChoice choice = {.algorithm = {},
                          .workspace_bytes = result.workspaceSize};
  static_assert(sizeof choice.algorithm == sizeof result.algo);
  std::memcpy(&choice.algorithm, &result.algo, sizeof result.algo);
  return choice;
}

cublasLtMatmulAlgo_t algorithm_of(const ProductChoice& choice) {
  cublasLtMatmulAlgo_t algorithm = {};
  std::memcpy(&algorithm, &choice.algorithm, sizeof algorithm);
  return algorithm;
}

// One product of a stream, which may be launched by several algorithms.
class LtLaunch {
 public:
  LtLaunch(Stream& stream, LtContext& context, const LtProduct& product)
      : stream_(cuda_queue(stream.queue()).stream()),
        context_(context),
        product_(product),
        key_(key_of(product, f32_product(stream))),
        description_(context.description_of(key_, product)) {
    description_.set_bias(product.bias);
  }

  const ProductKey& key() const { return key_; }
  cudaStream_t stream() const { return stream_; }

  // At most `most` of the algorithms that cuBLASLt offers, the best first by
  // what it knows without running them.
  std::vector<ProductChoice> recommended(int most) const;

  // Whether cuBLASLt takes a choice that did not come from it just now.
  bool is_possible(const ProductChoice& choice) const {
    const cublasLtMatmulAlgo_t algorithm = algorithm_of(choice);
    cublasLtMatmulHeuristicResult_t result = {};
    return cublasLtMatmulAlgoCheck(context_.handle(),
                                   description_.product().get(),
                                   description_.b(),
                                   description_.a(),
                                   description_.y(),
                                   description_.y(),
                                   &algorithm,
                                   &result) == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= choice.workspace_bytes;
  }

  void multiply(const ProductChoice& choice) const {
    multiply_into(product_.y.first, choice);
  }

  // y has its shape and step in other memory, too. The product reads what it
  // adds from its own place.
  void multiply_into(std::byte* y, const ProductChoice& choice) const;

  std::size_t bytes_of_y() const {
    const MatrixBlock& y = product_.y;
    return static_cast<std::size_t>(((y.rows - 1) * y.step + y.columns) *
                                    size_of(y.dtype));
  }

 private:
  cudaStream_t stream_;
  LtContext& context_;
  const LtProduct& product_;
  ProductKey key_;
  const Description& description_;
};

std::vector<ProductChoice> LtLaunch::recommended(int most) const {
  const auto preference = preference_for(key_);
  std::vector<cublasLtMatmulHeuristicResult_t> results(
      static_cast<std::size_t>(most));
  int found = 0;
  check_cublas(cublasLtMatmulAlgoGetHeuristic(context_.handle(),
                                              description_.product().get(),
                                              description_.b(),
                                              description_.a(),
                                              description_.y(),
                                              description_.y(),
                                              preference->get(),
                                              most,
                                              results.data(),
                                              &found),
               "cublasLtMatmulAlgoGetHeuristic");
  const auto [M, N, K] = key_.sizes;
  DURE_CHECK(found > 0,
             "cuBLASLt knows no algorithm for a product of {} with M {}, N {}, "
             "K {} on this device",
             name_of(key_.operands),
             M,
             N,
             K);
  std::vector<ProductChoice> choices;
  for (int i = 0; i < found; ++i) {
    choices.push_back(choice_from(results[static_cast<std::size_t>(i)]));
  }
  return choices;
}

void LtLaunch::multiply_into(std::byte* y, const ProductChoice& choice) const {
  const float one = 1;
  const float addend_factor = product_.addend != nullptr ? 1 : 0;
  const std::byte* const addend =
      product_.addend != nullptr ? product_.addend : y;
  const cublasLtMatmulAlgo_t algorithm = algorithm_of(choice);
  check_cublas(cublasLtMatmul(context_.handle(),
                              description_.product().get(),
                              &one,
                              product_.b.first,
                              description_.b(),
                              product_.a.first,
                              description_.a(),
                              &addend_factor,
                              addend,
                              description_.y(),
                              y,
                              description_.y(),
                              &algorithm,
                              context_.workspace(choice.workspace_bytes),
                              choice.workspace_bytes,
                              stream_),
               "cublasLtMatmul");
}

// Times algorithms on the product itself, into memory beside y.
class LtTiming {
 public:
  explicit LtTiming(const LtLaunch& launch) : launch_(launch) {
    DURE_CUDA(cudaMalloc(y_.address(), launch.bytes_of_y()));
    DURE_CUDA(cudaEventCreateWithFlags(first_.address(), cudaEventDefault));
    DURE_CUDA(cudaEventCreateWithFlags(last_.address(), cudaEventDefault));
  }

  // After a run that is not counted. Waits for the device.
  std::array<float, 3> seconds(const ProductChoice& choice) {
    std::array<float, 3> all = {};
    run(choice);
    for (float& each : all) {
      each = run(choice);
    }
    return all;
  }

 private:
  float run(const ProductChoice& choice) {
    DURE_CUDA(cudaEventRecord(first_.get(), launch_.stream()));
    launch_.multiply_into(static_cast<std::byte*>(y_.get()), choice);
    DURE_CUDA(cudaEventRecord(last_.get(), launch_.stream()));
    DURE_CUDA(cudaEventSynchronize(last_.get()));
    float milliseconds = 0;
    DURE_CUDA(cudaEventElapsedTime(&milliseconds, first_.get(), last_.get()));
    return milliseconds / 1000;
  }

  const LtLaunch& launch_;
  CudaHandle<void*, cudaFree> y_;
  CudaEvent first_;
  CudaEvent last_;
};

// The fastest of the algorithms that cuBLASLt thinks best.
ProductChoice measured(const LtLaunch& launch) {
  constexpr int kMostMeasured = 8;
  const std::vector<ProductChoice> offered = launch.recommended(kMostMeasured);
  if (offered.size() == 1) {
    return offered.front();
  }
  LtTiming timing(launch);
  std::vector<std::array<float, 3>> seconds;
  for (const ProductChoice& choice : offered) {
    seconds.push_back(timing.seconds(choice));
  }
  return offered[fastest(seconds)];
}

ProductChoice choice_from(ProductTable& table, const LtLaunch& launch) {
  const std::optional<ProductChoice> known = table.find(launch.key());
  if (!known) {
    return table.enter(launch.key(), measured(launch));
  }
  if (launch.is_possible(*known)) {
    return *known;
  }
  const ProductChoice anew = measured(launch);
  table.replace(launch.key(), anew);
  return anew;
}

const ProductChoice& choice_of(Stream& stream,
                               LtContext& context,
                               const LtLaunch& launch) {
  const auto known = context.choices().find(launch.key());
  if (known != context.choices().end()) {
    return known->second;
  }
  const std::shared_ptr<ProductTable> table = product_table(stream);
  return context.choices()
      .emplace(launch.key(),
               table != nullptr ? choice_from(*table, launch)
                                : launch.recommended(1).front())
      .first->second;
}

}  // namespace

void check_cublas(cublasStatus_t status, const char* function) {
  DURE_CHECK(status == CUBLAS_STATUS_SUCCESS,
             "{} failed: {}",
             function,
             cublasLtGetStatusString(status));
}

ProductKey key_of(const LtProduct& product, F32Product f32_product) {
  const auto& [y, a, b, transpose_a, transpose_b, bias, addend] = product;
  const std::int64_t K = transpose_a == Transpose::kYes ? a.rows : a.columns;
  const auto optional = [](const std::byte* first) {
    return first == nullptr ? std::uint8_t{0} : alignment_of(first);
  };
  return {
      .sizes = {y.rows, y.columns, K},
      .steps = {y.step, a.step, b.step},
      .y = y.dtype,
      .operands = a.dtype,
      .f32_product = a.dtype == DType::kF32 ? f32_product : F32Product::kF32,
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
  const LtLaunch launch(stream, context, product);
  launch.multiply(choice_of(stream, context, launch));
}

ProductDevice product_device() {
  return {.name = this_device().name,
          .library = static_cast<std::int64_t>(cublasLtGetVersion()),
          .workspace = kWorkspaceBytes};
}

Staging staging_of(Stream& stream) {
  return stream.kept<LtContext>().staging();
}

}  // namespace dure::kernels
