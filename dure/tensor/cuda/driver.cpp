#include "dure/tensor/cuda/driver.h"

#include "dure/base/check.h"
#include "dure/tensor/cuda/check.h"

namespace dure {
namespace {

// The version of CUDA whose functions these are.
constexpr unsigned kVersion = 12000;

template <typename Function>
void find(const char* name, Function*& function) {
  void* address = nullptr;
  cudaDriverEntryPointQueryResult result = {};
  DURE_CUDA(cudaGetDriverEntryPointByVersion(
      name, &address, kVersion, cudaEnableDefault, &result));
  DURE_CHECK(address != nullptr,
             "the CUDA driver has no {}: it must be of CUDA 12 or later",
             name);
  function = reinterpret_cast<Function*>(address);
}

CudaDriver load() {
  CudaDriver driver = {};
  find("cuGetErrorString", driver.error_string);
  find("cuMemGetAllocationGranularity", driver.granularity);
  find("cuMemAddressReserve", driver.reserve);
  find("cuMemAddressFree", driver.free);
  find("cuMemCreate", driver.create);
  find("cuMemRelease", driver.release);
  find("cuMemMap", driver.map);
  find("cuMemUnmap", driver.unmap);
  find("cuMemSetAccess", driver.set_access);
  return driver;
}

}  // namespace

const CudaDriver& cuda_driver() {
  static const CudaDriver driver = load();
  return driver;
}

void check_driver(CUresult result, const char* function) {
  if (result != CUDA_SUCCESS) {
    const char* text = nullptr;
    cuda_driver().error_string(result, &text);
    throw Error("{} failed: {}", function, text == nullptr ? "unknown" : text);
  }
}

}  // namespace dure
