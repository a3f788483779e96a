#include "dure/tensor/tensor.h"

namespace dure {

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.rank(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + ")";
}

void ConstTensor::expect(const char* name,
                         const Shape& wanted,
                         DType dtype) const {
  DURE_CHECK(data_ != nullptr || wanted.elements() == 0,
             "{} is missing, wanted {}",
             name,
             to_string(wanted));
  DURE_CHECK(shape_ == wanted && dtype_ == dtype,
             "{} is {} {}, wanted {} {}",
             name,
             name_of(dtype_),
             to_string(shape_),
             name_of(dtype),
             to_string(wanted));
}

void* ConstTensor::row_address(std::int64_t row) const {
  const std::int64_t row_elements = shape_[0] == 0 ? 0 : elements() / shape_[0];
  return static_cast<std::byte*>(data_) +
         row * row_elements * static_cast<std::int64_t>(size_of(dtype_));
}

Shape ConstTensor::with_rows(std::int64_t count) const {
  switch (shape_.rank()) {
    case 1:
      return {count};
    case 2:
      return {count, shape_[1]};
    case 3:
      return {count, shape_[1], shape_[2]};
    default:
      return {count, shape_[1], shape_[2], shape_[3]};
  }
}

void ConstTensor::check_reshape(const Shape& shape) const {
  DURE_CHECK(shape.elements() == elements(),
             "can't view {} as {}",
             to_string(shape_),
             to_string(shape));
}

}  // namespace dure
