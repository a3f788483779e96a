// The one place that decides by what a GPU attends.
#include "dure/kernels/attention.h"

#include "dure/kernels/cuda/attention_kernels.h"
#include "dure/kernels/cuda/cudnn_attention.h"

namespace dure::kernels {
namespace {

#ifdef DURE_WITH_CUDNN
constexpr bool kWithCudnn = true;
#else
constexpr bool kWithCudnn = false;
#endif

template <typename Op>
void run_by_choice(Stream& stream, const Op& op) {
  if constexpr (kWithCudnn) {
    if (attention_by(stream) == AttentionBy::kLibrary &&
        run_by_cudnn(stream, op)) {
      return;
    }
  }
  run_by_kernels(stream, op);
}

}  // namespace

void run(OnCuda, Stream& stream, const Attention& op) {
  run_by_choice(stream, op);
}

void run(OnCuda, Stream& stream, const AttentionBackward& op) {
  run_by_choice(stream, op);
}

}  // namespace dure::kernels
