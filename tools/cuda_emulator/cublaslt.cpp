// The functions of cuBLASLt that Dure calls, over CPU code.
//
// What the real library leaves to the caller is checked here: types that go
// together, steps, alignment, memory of the device, and the workspace, which
// holds garbage afterwards. Source: cuBLAS documentation, "cublasLtMatmul()"
// with its table of types.
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include <cublasLt.h>

#include "tools/cuda_emulator/device_memory.h"
#include "tools/cuda_emulator/product.h"
#include "tools/cuda_emulator/runtime.h"
#include "tools/cuda_emulator/sanitizer_fiber.h"

namespace cuda_emulator {
namespace {

struct Description {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;
  std::int32_t transpose_a = CUBLAS_OP_N;
  std::int32_t transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  std::int32_t bias_type = -1;  // that of d

  bool has_bias() const { return epilogue == CUBLASLT_EPILOGUE_BIAS; }
};

struct Preference {
  std::uint64_t workspace_bytes = 0;
  std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::array<std::uint32_t, 4> alignments = {256, 256, 256, 256};  // a b c d
};

// What cublasLtMatmulAlgo_t holds.
struct Algorithm {
  std::uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  std::uint32_t alignment = 1;  // of addresses and columns, in bytes
  std::uint64_t workspace_bytes = 0;
};

template <typename Own, typename Handle>
Own& own(Handle handle) {
  return *reinterpret_cast<Own*>(handle);
}

// A failed call does not leave an error for cudaGetLastError().
template <typename Body>
cublasStatus_t cublas_call(const char* function, const Body& body) {
  const std::scoped_lock lock(streams().lock());
  if (fails_now(function)) {
    return CUBLAS_STATUS_INTERNAL_ERROR;
  }
  return streams().fault().empty() ? body() : CUBLAS_STATUS_EXECUTION_FAILED;
}

template <typename Own, typename Handle, typename... Values>
cublasStatus_t create(const char* function, Handle* handle, Values... values) {
  return cublas_call(function, [&] {
    *handle = reinterpret_cast<Handle>(new Own{values...});
    hold("objects of cuBLASLt", 1);
    return CUBLAS_STATUS_SUCCESS;
  });
}

template <typename Own, typename Handle>
cublasStatus_t destroy(const char* function, Handle handle) {
  const std::scoped_lock lock(streams().lock());
  const bool fails = fails_now(function);
  delete reinterpret_cast<Own*>(handle);
  hold("objects of cuBLASLt", -1);
  return fails ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
}

template <typename Value>
cublasStatus_t set(Value& to, const void* from, std::size_t bytes) {
  if (bytes != sizeof to || from == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool is_half(cudaDataType_t type) {
  return type == CUDA_R_16BF || type == CUDA_R_16F;
}

// Rows of the documentation's table for products and sums in f32.
bool are_types_supported(const Description& as, const Product& p) {
  const cudaDataType_t operands = p.a.type;
  const cudaDataType_t result = p.d.type;
  const bool is_in_tf32 =
      as.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && operands == CUDA_R_32F;
  return (as.compute == CUBLAS_COMPUTE_32F || is_in_tf32) &&
         as.scale == CUDA_R_32F && p.b.type == operands && p.c.type == result &&
         (operands == CUDA_R_32F || is_half(operands)) &&
         (result == CUDA_R_32F || result == operands) &&
         (!as.has_bias() || as.bias_type == -1 || as.bias_type == result) &&
         (as.has_bias() || as.epilogue == CUBLASLT_EPILOGUE_DEFAULT);
}

bool is_well_formed(const ProductMatrix& matrix) {
  return matrix.rows > 0 && matrix.columns > 0 && matrix.step >= matrix.rows;
}

bool do_shapes_agree(const Product& p) {
  const auto [rows, depth] = p.transpose_a ? std::pair(p.a.columns, p.a.rows)
                                           : std::pair(p.a.rows, p.a.columns);
  const auto [b_depth, columns] = p.transpose_b
                                      ? std::pair(p.b.columns, p.b.rows)
                                      : std::pair(p.b.rows, p.b.columns);
  return is_well_formed(p.a) && is_well_formed(p.b) && is_well_formed(p.c) &&
         is_well_formed(p.d) && depth == b_depth && p.d.rows == rows &&
         p.d.columns == columns && p.c.rows == rows && p.c.columns == columns;
}

cublasStatus_t check(const Description& as, const Product& p) {
  return !do_shapes_agree(p)           ? CUBLAS_STATUS_INVALID_VALUE
         : !are_types_supported(as, p) ? CUBLAS_STATUS_NOT_SUPPORTED
                                       : CUBLAS_STATUS_SUCCESS;
}

struct Layouts {
  cublasLtMatrixLayout_t a;
  cublasLtMatrixLayout_t b;
  cublasLtMatrixLayout_t c;
  cublasLtMatrixLayout_t d;
};

Product product_of(const Description& as, const Layouts& layouts) {
  return {.a = own<ProductMatrix>(layouts.a),
          .b = own<ProductMatrix>(layouts.b),
          .c = own<ProductMatrix>(layouts.c),
          .d = own<ProductMatrix>(layouts.d),
          .bias = as.has_bias() ? static_cast<const char*>(as.bias) : nullptr,
          .transpose_a = as.transpose_a != CUBLAS_OP_N,
          .transpose_b = as.transpose_b != CUBLAS_OP_N,
          .reads_tf32 = as.compute == CUBLAS_COMPUTE_32F_FAST_TF32};
}

bool is_multiple(const void* address, std::size_t of) {
  return reinterpret_cast<std::uintptr_t>(address) % of == 0;
}

// The algorithms that there are, the best first. On a deep product it is the
// one whose result is rounded more than once, if the caller allows that.
std::vector<Algorithm> algorithms_for(const Product& p) {
  constexpr std::int64_t kDeep = 256;
  const std::int64_t depth = p.transpose_a ? p.a.rows : p.a.columns;
  const auto result = static_cast<std::uint64_t>(p.d.rows * p.d.columns);
  std::vector<Algorithm> all;
  if (depth >= kDeep) {
    all.push_back({.reduction = CUBLASLT_REDUCTION_SCHEME_INPLACE,
                   .workspace_bytes = 1024});
    all.push_back({.reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE,
                   .alignment = 16,
                   .workspace_bytes = 2 * sizeof(float) * result});
  }
  all.push_back({.alignment = 16});
  all.push_back({});
  return all;
}

bool allows(const Preference& preference,
            const Product& p,
            const Algorithm& algorithm) {
  const ProductMatrix* const matrices[] = {&p.a, &p.b, &p.c, &p.d};
  for (std::size_t i = 0; i < std::size(matrices); ++i) {
    const auto step_bytes = static_cast<std::size_t>(matrices[i]->step) *
                            size_of(matrices[i]->type);
    if (preference.alignments[i] % algorithm.alignment != 0 ||
        step_bytes % algorithm.alignment != 0) {
      return false;
    }
  }
  return (p.bias == nullptr || is_multiple(p.bias, algorithm.alignment)) &&
         algorithm.workspace_bytes <= preference.workspace_bytes &&
         (algorithm.reduction == CUBLASLT_REDUCTION_SCHEME_NONE ||
          (algorithm.reduction & preference.reductions) != 0);
}

cublasLtMatmulHeuristicResult_t result_of(const Algorithm& algorithm) {
  cublasLtMatmulHeuristicResult_t result = {};
  static_assert(sizeof algorithm <= sizeof result.algo);
  std::memcpy(&result.algo, &algorithm, sizeof algorithm);
  result.workspaceSize = algorithm.workspace_bytes;
  result.state = CUBLAS_STATUS_SUCCESS;
  result.wavesCount = 1;
  return result;
}

// Memory that a product reads or writes.
struct Span {
  const char* name;
  char* first;
  std::size_t bytes;
  std::size_t alignment;
};

std::vector<Span> read_by(const Product& p, std::size_t alignment) {
  std::vector<Span> spans = {{"a", p.a.first, p.a.bytes(), alignment},
                             {"b", p.b.first, p.b.bytes(), alignment}};
  if (p.beta != 0) {
    spans.push_back({"c", p.c.first, p.c.bytes(), alignment});
  }
  if (p.bias != nullptr) {
    spans.push_back({"the bias",
                     const_cast<char*>(p.bias),
                     static_cast<std::size_t>(p.d.rows) * size_of(p.d.type),
                     alignment});
  }
  return spans;
}

bool is_usable(const Span& span) {
  return is_device(span.first, span.bytes) &&
         is_multiple(span.first, span.alignment);
}

bool overlap(const Span& one, const Span& other) {
  return one.first < other.first + other.bytes &&
         other.first < one.first + one.bytes;
}

void expect_held(const Span& span) {
  if (is_poisoned(span.first, span.bytes)) {
    throw KernelFault(std::string("cublasLtMatmul got ") + span.name +
                      " in memory that nobody holds");
  }
}

// In the order of the stream.
void run_product(const Product& p, const Span& written, const Span& workspace) {
  for (const Span& span : read_by(p, 1)) {
    expect_held(span);
    note_read(span.first, span.bytes);
  }
  expect_held(written);
  note_write(written.first, written.bytes);
  if (workspace.bytes > 0) {
    expect_held(workspace);
    note_write(workspace.first, workspace.bytes);
    fill_with_garbage(workspace.first, workspace.bytes, streams().random());
  }
  multiply(p);
}

cublasStatus_t enqueue_product(Product p,
                               const Algorithm& algorithm,
                               const Span& workspace,
                               cudaStream_t stream) {
  const Span written = {"d", p.d.first, p.d.bytes(), algorithm.alignment};
  bool is_good = is_usable(written) &&
                 workspace.bytes >= algorithm.workspace_bytes &&
                 (workspace.bytes == 0 || is_usable(workspace));
  for (const Span& span : read_by(p, algorithm.alignment)) {
    const bool is_c = p.beta != 0 && span.first == p.c.first;
    const bool is_in_place =
        is_c && span.first == written.first && p.c.step == p.d.step;
    is_good = is_good && is_usable(span) && !overlap(span, workspace) &&
              (is_in_place || !overlap(span, written));
  }
  if (!is_good) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  p.order = algorithm.alignment + algorithm.reduction;
  p.reduction = algorithm.reduction == CUBLASLT_REDUCTION_SCHEME_INPLACE
                    ? Reduction::kInTheResult
                    : Reduction::kInF32;
  streams().enqueue(stream, [=] { run_product(p, written, workspace); });
  return CUBLAS_STATUS_SUCCESS;
}

char* bytes_at(const void* at) {
  return static_cast<char*>(const_cast<void*>(at));
}

}  // namespace
}  // namespace cuda_emulator

using cuda_emulator::create;
using cuda_emulator::cublas_call;
using cuda_emulator::Description;
using cuda_emulator::destroy;
using cuda_emulator::own;
using cuda_emulator::Preference;
using cuda_emulator::ProductMatrix;
using cuda_emulator::set;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

std::size_t cublasLtGetVersion() {
  return CUBLAS_VERSION;
}
const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return cublasLtGetStatusName(status);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return create<char>("cublasLtCreate", handle);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy<char>("cublasLtDestroy", handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description,
                                        cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  return create<Description>(
      "cublasLtMatmulDescCreate", description, compute, scale);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  return destroy<Description>("cublasLtMatmulDescDestroy", description);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(
    cublasLtMatmulDesc_t description,
    cublasLtMatmulDescAttributes_t attribute,
    const void* value,
    std::size_t bytes) {
  return cublas_call("cublasLtMatmulDescSetAttribute", [&] {
    auto& to = own<Description>(description);
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_TRANSA:
        return set(to.transpose_a, value, bytes);
      case CUBLASLT_MATMUL_DESC_TRANSB:
        return set(to.transpose_b, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return set(to.epilogue, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return set(to.bias, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        return set(to.bias_type, value, bytes);
      default:
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
  });
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout,
                                          cudaDataType type,
                                          std::uint64_t rows,
                                          std::uint64_t columns,
                                          std::int64_t step) {
  char* const nowhere = nullptr;
  return create<ProductMatrix>("cublasLtMatrixLayoutCreate",
                               layout,
                               nowhere,
                               type,
                               static_cast<std::int64_t>(rows),
                               static_cast<std::int64_t>(columns),
                               step);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy<ProductMatrix>("cublasLtMatrixLayoutDestroy", layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(
    cublasLtMatmulPreference_t* preference) {
  return create<Preference>("cublasLtMatmulPreferenceCreate", preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(
    cublasLtMatmulPreference_t preference) {
  return destroy<Preference>("cublasLtMatmulPreferenceDestroy", preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t attribute,
    const void* value,
    std::size_t bytes) {
  return cublas_call("cublasLtMatmulPreferenceSetAttribute", [&] {
    auto& to = own<Preference>(preference);
    switch (attribute) {
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return set(to.workspace_bytes, value, bytes);
      case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return set(to.reductions, value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        return set(to.alignments[0], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        return set(to.alignments[1], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        return set(to.alignments[2], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return set(to.alignments[3], value, bytes);
      default:
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t /*handle*/,
    cublasLtMatmulDesc_t description,
    cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c,
    cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t preference,
    int wanted,
    cublasLtMatmulHeuristicResult_t results[],
    int* found) {
  return cublas_call("cublasLtMatmulAlgoGetHeuristic", [&] {
    const auto& as = own<Description>(description);
    const auto product = cuda_emulator::product_of(as, {a, b, c, d});
    *found = 0;
    const cublasStatus_t status = cuda_emulator::check(as, product);
    if (status != CUBLAS_STATUS_SUCCESS) {
      return status;
    }
    for (const auto& algorithm : cuda_emulator::algorithms_for(product)) {
      if (*found < wanted &&
          allows(own<Preference>(preference), product, algorithm)) {
        results[(*found)++] = cuda_emulator::result_of(algorithm);
      }
    }
    return *found > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  });
}

cublasStatus_t cublasLtMatmulAlgoCheck(
    cublasLtHandle_t /*handle*/,
    cublasLtMatmulDesc_t description,
    cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c,
    cublasLtMatrixLayout_t d,
    const cublasLtMatmulAlgo_t* algorithm,
    cublasLtMatmulHeuristicResult_t* result) {
  return cublas_call("cublasLtMatmulAlgoCheck", [&] {
    const auto& as = own<Description>(description);
    const auto product = cuda_emulator::product_of(as, {a, b, c, d});
    const cublasStatus_t status = cuda_emulator::check(as, product);
    if (status != CUBLAS_STATUS_SUCCESS) {
      return status;
    }
    for (const auto& each : cuda_emulator::algorithms_for(product)) {
      if (std::memcmp(&each, algorithm, sizeof each) == 0) {
        *result = cuda_emulator::result_of(each);
        return CUBLAS_STATUS_SUCCESS;
      }
    }
    return CUBLAS_STATUS_NOT_SUPPORTED;
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t /*handle*/,
                              cublasLtMatmulDesc_t description,
                              const void* alpha,
                              const void* a,
                              cublasLtMatrixLayout_t a_layout,
                              const void* b,
                              cublasLtMatrixLayout_t b_layout,
                              const void* beta,
                              const void* c,
                              cublasLtMatrixLayout_t c_layout,
                              void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm,
                              void* workspace,
                              std::size_t workspace_bytes,
                              cudaStream_t stream) {
  return cublas_call("cublasLtMatmul", [&] {
    const auto& as = own<Description>(description);
    auto product =
        cuda_emulator::product_of(as, {a_layout, b_layout, c_layout, d_layout});
    const cublasStatus_t status = cuda_emulator::check(as, product);
    if (status != CUBLAS_STATUS_SUCCESS || algorithm == nullptr) {
      return status != CUBLAS_STATUS_SUCCESS ? status
                                             : CUBLAS_STATUS_NOT_SUPPORTED;
    }
    product.a.first = cuda_emulator::bytes_at(a);
    product.b.first = cuda_emulator::bytes_at(b);
    product.c.first = cuda_emulator::bytes_at(c);
    product.d.first = static_cast<char*>(d);
    product.alpha = *static_cast<const float*>(alpha);
    product.beta = *static_cast<const float*>(beta);
    cuda_emulator::Algorithm chosen;
    std::memcpy(static_cast<void*>(&chosen), algorithm, sizeof chosen);
    return enqueue_product(
        product,
        chosen,
        {"the workspace", static_cast<char*>(workspace), workspace_bytes, 16},
        stream);
  });
}

// NOLINTEND(readability-identifier-naming)
