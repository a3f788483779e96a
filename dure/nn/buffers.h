// A walk over the memory that layers save between a forward and its backward.
//
// Every Saved type, and any other state between passes, has a function
//
//   for_each_buffer(saved, visit)
//
// which calls `visit` on each tensor that `saved` owns and that is not empty. A
// Saved owns all its memory, and nobody keeps a view of it from one pass to the
// next. So a visitor may move a tensor: it assigns one of the same shape and
// type with the same elements. The offload of activations will move buffers in
// this way; model/saved_test.cpp does it to all of them.
#pragma once

#include <functional>
#include <initializer_list>

#include "dure/tensor/arena.h"

namespace dure::nn {

using BufferVisitor = std::function<void(OwnedTensor&)>;

// Calls visit(tensor) for the tensors that are not empty.
inline void visit_buffers(std::initializer_list<OwnedTensor*> tensors,
                          const BufferVisitor& visit) {
  for (OwnedTensor* const tensor : tensors) {
    if (*tensor) {
      visit(*tensor);
    }
  }
}

}  // namespace dure::nn
