// cuBLASLt on the emulated device: it multiplies, and refuses what the real one
// does not promise to take.
#include <algorithm>
#include <cstdint>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

namespace {

// y of 2 x 3 is the product of a of 2 x kDepth and b of kDepth x 3, by columns.
constexpr std::int64_t kDepth = 300;

struct Types {
  cudaDataType_t a = CUDA_R_32F;
  cudaDataType_t b = CUDA_R_32F;
  cudaDataType_t d = CUDA_R_32F;
};

class EmulatedCublasLt : public testing::Test {
 protected:
  void SetUp() override {
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    cudaMalloc(&memory_, kBytes);
    cublasLtCreate(&handle_);
    cublasLtMatmulPreferenceCreate(&preference_);
    const std::uint64_t most = kWorkspaceBytes;
    cublasLtMatmulPreferenceSetAttribute(
        preference_,
        CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
        &most,
        sizeof most);
    describe({});
  }
  void TearDown() override {
    forget();
    cublasLtMatmulPreferenceDestroy(preference_);
    cublasLtDestroy(handle_);
    cudaFree(memory_);
    cudaStreamDestroy(stream_);
  }

  void forget() {
    cublasLtMatmulDescDestroy(product_);
    for (cublasLtMatrixLayout_t layout : {a_, b_, d_}) {
      cublasLtMatrixLayoutDestroy(layout);
    }
  }

  void describe(const Types& types,
                cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
    cublasLtMatmulDescCreate(&product_, compute, CUDA_R_32F);
    cublasLtMatrixLayoutCreate(&a_, types.a, 2, kDepth, 2);
    cublasLtMatrixLayoutCreate(&b_, types.b, kDepth, 3, kDepth);
    cublasLtMatrixLayoutCreate(&d_, types.d, 2, 3, 2);
  }

  void allow(std::uint32_t reductions) {
    cublasLtMatmulPreferenceSetAttribute(
        preference_,
        CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        &reductions,
        sizeof reductions);
  }

  cublasStatus_t find(cublasLtMatmulHeuristicResult_t* result) {
    int found = 0;
    return cublasLtMatmulAlgoGetHeuristic(
        handle_, product_, a_, b_, d_, d_, preference_, 1, result, &found);
  }

  cublasStatus_t multiply(const float* a,
                          const cublasLtMatmulHeuristicResult_t& with,
                          std::size_t workspace_bytes) {
    const float one = 1;
    const float zero = 0;
    return cublasLtMatmul(handle_,
                          product_,
                          &one,
                          a,
                          a_,
                          floats() + 1024,
                          b_,
                          &zero,
                          floats() + 2048,
                          d_,
                          floats() + 2048,
                          d_,
                          &with.algo,
                          floats() + 3072,
                          workspace_bytes,
                          stream_);
  }

  float* floats() const { return static_cast<float*>(memory_); }
  void fill(std::size_t first, const std::vector<float>& values) {
    cudaMemcpyAsync(floats() + first,
                    values.data(),
                    values.size() * sizeof(float),
                    cudaMemcpyHostToDevice,
                    stream_);
  }
  std::vector<float> read(std::size_t first, std::size_t count) {
    std::vector<float> values(count);
    cudaMemcpyAsync(values.data(),
                    floats() + first,
                    count * sizeof(float),
                    cudaMemcpyDeviceToHost,
                    stream_);
    return values;
  }

  static constexpr std::size_t kBytes = 4096 * sizeof(float);
  static constexpr std::size_t kWorkspaceBytes = 1024 * sizeof(float);
  cudaStream_t stream_ = nullptr;
  void* memory_ = nullptr;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr;
  cublasLtMatrixLayout_t b_ = nullptr;
  cublasLtMatrixLayout_t d_ = nullptr;
};

TEST_F(EmulatedCublasLt, MultipliesAndOverwritesItsWorkspace) {
  fill(0, std::vector<float>(2 * kDepth, 2));
  fill(1024, std::vector<float>(3 * kDepth, 0.5F));
  const std::vector<float> before(16, 123);
  fill(3072, before);
  cublasLtMatmulHeuristicResult_t result = {};
  ASSERT_EQ(find(&result), CUBLAS_STATUS_SUCCESS);
  ASSERT_GT(result.workspaceSize, 0U);
  ASSERT_EQ(multiply(floats(), result, result.workspaceSize),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(read(2048, 6), std::vector<float>(6, kDepth));
  EXPECT_NE(read(3072, 16), before);
}

TEST_F(EmulatedCublasLt, RefusesASmallWorkspaceAndMemoryOfTheHost) {
  cublasLtMatmulHeuristicResult_t result = {};
  ASSERT_EQ(find(&result), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(multiply(floats(), result, result.workspaceSize - 1),
            CUBLAS_STATUS_INVALID_VALUE);
  const std::vector<float> host(2 * kDepth);
  EXPECT_EQ(multiply(host.data(), result, result.workspaceSize),
            CUBLAS_STATUS_INVALID_VALUE);
}

// The scheme that rounds partial sums is the first choice where it is allowed.
TEST_F(EmulatedCublasLt, OffersOnlyTheReductionsThatAreAllowed) {
  cublasLtMatmulHeuristicResult_t any = {};
  cublasLtMatmulHeuristicResult_t in_f32 = {};
  ASSERT_EQ(find(&any), CUBLAS_STATUS_SUCCESS);
  allow(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
  ASSERT_EQ(find(&in_f32), CUBLAS_STATUS_SUCCESS);
  EXPECT_NE(any.workspaceSize, in_f32.workspaceSize);
  allow(CUBLASLT_REDUCTION_SCHEME_NONE);
  ASSERT_EQ(find(&in_f32), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(in_f32.workspaceSize, 0U);
}

// 1 + 2^-10 is a number of TF32; 1 + 2^-11 is rounded away from zero, and
// 1 + 2^-12 to 1.
TEST_F(EmulatedCublasLt, RoundsOperandsToTf32) {
  const auto product_of = [&](float factor) {
    fill(0, std::vector<float>(2 * kDepth, factor));
    fill(1024, std::vector<float>(3 * kDepth, 1));
    cublasLtMatmulHeuristicResult_t result = {};
    EXPECT_EQ(find(&result), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(multiply(floats(), result, result.workspaceSize),
              CUBLAS_STATUS_SUCCESS);
    return read(2048, 1)[0] / kDepth;
  };
  EXPECT_NEAR(product_of(1 + 0x1p-12F), 1 + 0x1p-12F, 0x1p-16F);
  forget();
  describe({}, CUBLAS_COMPUTE_32F_FAST_TF32);
  EXPECT_EQ(product_of(1 + 0x1p-12F), 1);
  EXPECT_EQ(product_of(-1 - 0x1p-12F), -1);
  EXPECT_NEAR(product_of(1 + 0x1p-11F), 1 + 0x1p-10F, 0x1p-16F);
  EXPECT_NEAR(product_of(1 + 0x1p-10F), 1 + 0x1p-10F, 0x1p-16F);
}

TEST_F(EmulatedCublasLt, HasTf32OnlyForOperandsOfF32) {
  forget();
  describe({.a = CUDA_R_16BF, .b = CUDA_R_16BF, .d = CUDA_R_32F},
           CUBLAS_COMPUTE_32F_FAST_TF32);
  cublasLtMatmulHeuristicResult_t result = {};
  EXPECT_EQ(find(&result), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(EmulatedCublasLt, TakesTheTypesOfTheTable) {
  const auto status_of = [&](const Types& types) {
    forget();
    describe(types);
    cublasLtMatmulHeuristicResult_t result = {};
    return find(&result);
  };
  constexpr cudaDataType_t kF32 = CUDA_R_32F;
  constexpr cudaDataType_t kBf16 = CUDA_R_16BF;
  constexpr cudaDataType_t kF16 = CUDA_R_16F;
  for (const Types& types : {Types{kF32, kF32, kF32},
                             Types{kBf16, kBf16, kF32},
                             Types{kBf16, kBf16, kBf16},
                             Types{kF16, kF16, kF16}}) {
    EXPECT_EQ(status_of(types), CUBLAS_STATUS_SUCCESS);
  }
  for (const Types& types : {Types{kF32, kBf16, kF32},
                             Types{kF32, kF32, kBf16},
                             Types{kBf16, kBf16, kF16},
                             Types{kBf16, kF16, kF32}}) {
    EXPECT_EQ(status_of(types), CUBLAS_STATUS_NOT_SUPPORTED);
  }
}

}  // namespace
