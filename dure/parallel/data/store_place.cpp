#include "dure/parallel/data/store_place.h"

namespace dure::parallel {

Tensor StorePlace::bucket_in(const Tensor& all, int b) const {
  return all.rows(bucket(b).offset, bucket(b).elements);
}

Tensor StorePlace::part_in(const Tensor& all, int b) const {
  const PartRange range = part_range(bucket(b), part(b));
  return all.rows(bucket(b).offset + range.first, range.elements());
}

Tensor StorePlace::part_in_parts(const Tensor& all_parts, int b) const {
  return all_parts.rows(part_place(plan, b, parts),
                        part_range(bucket(b), part(b)).elements());
}

void StorePlace::point(int b,
                       Tensor nn::Parameter::*which,
                       Tensor memory) const {
  const Bucket& planned = bucket(b);
  for (int w = planned.first; w < planned.last; ++w) {
    const auto i = static_cast<std::size_t>(w);
    Tensor& tensor = parameters[i].*which;
    const Shape shape = tensor.shape();
    tensor =
        memory ? memory.rows(plan.offsets[i] - planned.offset, plan.lengths[i])
                     .reshaped(shape)
               : Tensor(nullptr, shape, tensor.dtype());
  }
}

}  // namespace dure::parallel
