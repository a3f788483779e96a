#include "dure/kernels/decide_update.h"

#include "dure/base/check.h"
#include "dure/kernels/decide.h"

namespace dure::kernels {

void run(OnCpu, Stream& /*stream*/, const DecideUpdate& op) {
  decide(op, [&](std::int64_t row) {
    const std::int64_t rows = op.rates.shape()[0];
    const std::int64_t first = *op.first_update.data<std::int64_t>();
    DURE_CHECK(row >= 0 && row < rows,
               "update {} has no rates: those given are of {} from {}",
               first + row,
               rows,
               first);
    return true;
  });
}

}  // namespace dure::kernels
