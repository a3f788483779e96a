// This machine's GPUs as CUDA's runtime sees them, for reports.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace dure {

struct CudaDevice {
  std::string name;
  int major = 0;  // of the compute capability
  int minor = 0;
  int multiprocessors = 0;
  std::string pci_bus;
  std::size_t bytes = 0;
  std::size_t free_bytes = 0;
  std::string error;  // why the device can't be used; empty: it can
};

// How one GPU reaches the memory of another.
struct CudaPair {
  int from = 0;
  int to = 0;
  bool has_access = false;   // directly, without the host's memory between
  bool has_atomics = false;  // atomic operations there, too
  int performance_rank = 0;  // of its link beside the others'; 0 is the fastest
};

struct CudaMachine {
  std::string runtime;  // "13.0"
  std::string driver;   // the newest CUDA that it runs; empty: no driver
  std::string cublaslt;
  std::string missing;  // why there are no devices, and what to do
  std::vector<CudaDevice> devices;
  std::vector<CudaPair> pairs;
};

// Never throws for what the machine lacks. Opens each device.
CudaMachine this_cuda_machine();

}  // namespace dure
