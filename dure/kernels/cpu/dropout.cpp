#include "dure/kernels/dropout.h"

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"

namespace dure::kernels {
namespace {

// 1 / (1 - rate) where an element stays, 0 where it does not, of neighbouring
// global indices in turn: a block of the generator serves four.
class Keep {
 public:
  Keep(const DropoutMask& mask, std::uint64_t first)
      : mask_(mask), index_(first), kept_(1 / (1 - mask.rate)) {
    words_ = mask_.stream.block(index_ / 4, mask_.major);
  }

  float next() {
    if (index_ % 4 == 0) {
      words_ = mask_.stream.block(index_ / 4, mask_.major);
    }
    const float drawn = RandomStream::to_unit(words_[index_ % 4]);
    ++index_;
    return drawn >= mask_.rate ? kept_ : 0.0F;
  }

 private:
  const DropoutMask& mask_;
  std::uint64_t index_;
  float kept_;
  PhiloxBlock words_;
};

void drop(const Dropout& op, std::int64_t first, std::int64_t last) {
  Keep keep(op.mask, op.mask.first_index + static_cast<std::uint64_t>(first));
  float* const y = op.y.data();
  const float* const x = op.x.data();
  for (std::int64_t i = first; i < last; ++i) {
    const float kept = keep.next();
    y[i] = (kept == 0 ? 0 : x[i] * kept) +
           (op.residual ? op.residual.data()[i] : 0);
  }
}

void pass(const Dropout& op, std::int64_t first, std::int64_t last) {
  float* const y = op.y.data();
  const float* const x = op.x.data();
  if (!op.residual) {
    std::copy(x + first, x + last, y + first);
    return;
  }
  const float* const residual = op.residual.data();
  for (std::int64_t i = first; i < last; ++i) {
    y[i] = x[i] + residual[i];
  }
}

}  // namespace

void run(OnCpu, Stream&, const Dropout& op) {
  parallel_ranges(
      op.x.elements(), kFlat, [&](std::int64_t first, std::int64_t last) {
        if (op.mask.rate > 0) {
          drop(op, first, last);
        } else if (op.residual || op.y.bytes() != op.x.bytes()) {
          pass(op, first, last);
        }
      });
}

}  // namespace dure::kernels
