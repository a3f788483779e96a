// The memory that matrix products pack their operands into. A stream keeps it
// between them (Stream::kept): it grows to the largest that was wanted, once.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace dure::kernels {

class GemmWorkspace {
 public:
  // So many elements, uninitialised, on a cache line.
  float* at_least(std::int64_t elements) {
    if (elements > elements_) {
      memory_.reset();  // first: old and new need not stand side by side
      memory_.reset(static_cast<float*>(::operator new(
          static_cast<std::size_t>(elements) * sizeof(float), kAlignment)));
      elements_ = elements;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* memory) const {
      ::operator delete(memory, kAlignment);
    }
  };

  std::unique_ptr<float, Free> memory_;
  std::int64_t elements_ = 0;
};

}  // namespace dure::kernels
