// The CUDA driver's functions for memory in ranges of addresses.
#pragma once

#include <cuda.h>

namespace dure {

// They are looked up when first asked for, so that the program starts on a
// machine that has no driver.
struct CudaDriver {
  decltype(&cuGetErrorString) error_string;
  decltype(&cuMemGetAllocationGranularity) granularity;
  decltype(&cuMemAddressReserve) reserve;
  decltype(&cuMemAddressFree) free;
  decltype(&cuMemCreate) create;
  decltype(&cuMemRelease) release;
  decltype(&cuMemMap) map;
  decltype(&cuMemUnmap) unmap;
  decltype(&cuMemSetAccess) set_access;
};

// Throws Error if the driver lacks one of them.
const CudaDriver& cuda_driver();

// Throws Error with the function's name and the driver's own text.
void check_driver(CUresult result, const char* function);

}  // namespace dure
