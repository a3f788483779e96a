#include "dure/kernels/heads.h"

#include <string>

#include "dure/base/check.h"

namespace dure::kernels {
namespace {

std::string describe(const HeadLayout& at) {
  return std::to_string(at.samples) + " samples of " + std::to_string(at.rows) +
         " rows of " + std::to_string(at.heads) + " heads of " +
         std::to_string(at.head_dim);
}

// One past the last element that a view reaches.
std::int64_t end_of(const HeadLayout& at) {
  return at.elements() == 0 ? 0
                            : at.offset(at.samples - 1, at.heads - 1) +
                                  (at.rows - 1) * at.row_step + at.head_dim;
}

HeadLayout columns_of(const ConstTensor& matrix, const HeadColumns& of) {
  const auto [N, C] = matrix.dims<2>("a matrix of heads");
  DURE_CHECK(of.samples > 0 ? N % of.samples == 0 : N == 0,
             "{} rows are no whole number of rows for each of {} samples",
             N,
             of.samples);
  DURE_CHECK((of.first + of.heads) * of.head_dim <= C,
             "heads {} to {} of {} columns do not fit a matrix of {}",
             of.first,
             of.first + of.heads,
             of.head_dim,
             C);
  const std::int64_t rows = of.samples > 0 ? N / of.samples : 0;
  return {.samples = of.samples,
          .rows = rows,
          .heads = of.heads,
          .head_dim = of.head_dim,
          .first = of.first * of.head_dim,
          .sample_step = rows * C,
          .row_step = C,
          .head_step = of.head_dim};
}

}  // namespace

void expect_heads(const char* name,
                  const ConstHeads& heads,
                  const HeadLayout& wanted,
                  DType dtype) {
  const HeadLayout& at = heads.at;
  DURE_CHECK(at.samples == wanted.samples && at.rows == wanted.rows &&
                 at.heads == wanted.heads && at.head_dim == wanted.head_dim,
             "{} is {}, wanted {}",
             name,
             describe(at),
             describe(wanted));
  DURE_CHECK(heads.tensor.dtype() == dtype,
             "{} is {}, wanted {}",
             name,
             name_of(heads.tensor.dtype()),
             name_of(dtype));
  DURE_CHECK(at.first >= 0 && end_of(at) <= heads.tensor.elements(),
             "{} reaches element {} of a tensor of {}",
             name,
             end_of(at),
             heads.tensor.elements());
}

ConstHeads heads_of_rows(const ConstTensor& matrix, const HeadColumns& of) {
  return {.tensor = matrix, .at = columns_of(matrix, of)};
}

Heads heads_of_rows(const Tensor& matrix, const HeadColumns& of) {
  return {.tensor = matrix, .at = columns_of(matrix, of)};
}

ConstHeads heads_of_cache(const ConstTensor& cache) {
  const auto [B, G, S, D] = cache.dims<4>("a cache");
  return {.tensor = cache,
          .at = {.samples = B,
                 .rows = S,
                 .heads = G,
                 .head_dim = D,
                 .first = 0,
                 .sample_step = G * S * D,
                 .row_step = D,
                 .head_step = S * D}};
}

}  // namespace dure::kernels
