#include "dure/kernels/cuda/fault.cuh"
#include "dure/kernels/decide.h"
#include "dure/kernels/decide_update.h"

namespace dure::kernels {
namespace {

__global__ void decide_kernel(DecideUpdate op,
                              DeviceFault* fault,
                              const char* name) {
  decide(op, [&](std::int64_t row) {
    return is_below(fault, name, row, op.rates.shape()[0], 0);
  });
}

}  // namespace

void run(OnCuda, Stream& stream, const DecideUpdate& op) {
  launch_kernel<decide_kernel>(stream,
                               {.grid = 1, .block = 1},
                               op,
                               fault_of(stream),
                               "the row of an update's rates");
}

}  // namespace dure::kernels
