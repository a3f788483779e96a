#include "dure/tensor/cuda/check.h"

#include <string_view>

#include "dure/base/check.h"

namespace dure {
namespace {

// Advice for an error that has to do with the machine.
const char* advice(cudaError_t error) {
  switch (error) {
    case cudaErrorNoDevice:
      return "; no GPU is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES, or "
             "set train.device = \"cpu\"";
    case cudaErrorInsufficientDriver:
      return "; the driver is older than this Dure's CUDA: update it, or build "
             "with an older toolkit";
    case cudaErrorMemoryAllocation:
      return "; another process may hold the GPU's memory: see nvidia-smi, or "
             "lower memory.limit_gib";
    case cudaErrorNoKernelImageForDevice:
      return "; this Dure was built for other GPUs: configure it with "
             "-DCMAKE_CUDA_ARCHITECTURES=native";
    default:
      return "";
  }
}

}  // namespace

void check_cuda(cudaError_t error, const char* call) {
  if (error == cudaSuccess) {
    return;
  }
  // The runtime keeps it for cudaGetLastError(), where the next launch would
  // find it.
  static_cast<void>(cudaGetLastError());
  const std::string_view text = call;
  throw Error("{} failed: {} ({}){}",
              text.substr(0, text.find('(')),
              cudaGetErrorString(error),
              cudaGetErrorName(error),
              advice(error));
}

}  // namespace dure
