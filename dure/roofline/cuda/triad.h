// a = b + s c on a GPU.
#pragma once

#include "dure/tensor/stream.h"
#include "dure/tensor/tensor.h"

namespace dure::roofline {

// Tensors of one shape in f32, with a multiple of four elements.
void cuda_triad(Stream& stream,
                const Tensor& a,
                const ConstTensor& b,
                const ConstTensor& c);

}  // namespace dure::roofline
