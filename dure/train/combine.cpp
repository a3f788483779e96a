#include "dure/train/combine.h"

#include <algorithm>
#include <vector>

namespace dure::train {

ExactSum sum_over(comm::Communicator& ranks, Stream& stream, ExactSum sum) {
  const auto digits = sum.digits();
  const Tensor x(digits.data(), Shape{std::ssize(digits)});
  ranks.run(stream, comm::AllReduce{.y = x, .x = x});
  return sum;
}

void sum_over(comm::Communicator& ranks,
              Stream& stream,
              std::span<ExactSum> sums) {
  std::vector<std::int64_t> all;
  for (ExactSum& sum : sums) {
    const auto digits = sum.digits();
    all.insert(all.end(), digits.begin(), digits.end());
  }
  const Tensor x(all.data(), Shape{std::ssize(all)});
  ranks.run(stream, comm::AllReduce{.y = x, .x = x});
  auto from = all.begin();
  for (ExactSum& sum : sums) {
    const auto digits = sum.digits();
    std::copy_n(from, digits.size(), digits.begin());
    from += std::ssize(digits);
  }
}

}  // namespace dure::train
