// A walk over the memory that layers keep between a forward and its backward.
//
// Beside every Saved type, and whatever else lives between passes, stands
//
//   for_each_buffer(saved, visit)
//
// It calls `visit` on each tensor that `saved` owns and that is there. A Saved
// owns all that it holds, and nobody keeps a view of it from one pass to the
// next. So a visitor may move a tensor: it assigns one of the same shape and
// type that stands elsewhere, with the same elements. The offload of
// activations will move buffers in this way; model/saved_test.cpp does it to
// all of them.
#pragma once

#include <functional>
#include <initializer_list>

#include "dure/tensor/arena.h"

namespace dure::nn {

using BufferVisitor = std::function<void(OwnedTensor&)>;

// visit(tensor) for those of the tensors that are there.
inline void visit_buffers(std::initializer_list<OwnedTensor*> tensors,
                          const BufferVisitor& visit) {
  for (OwnedTensor* const tensor : tensors) {
    if (*tensor) {
      visit(*tensor);
    }
  }
}

}  // namespace dure::nn
