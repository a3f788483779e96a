#include "dure/train/combine.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>

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

std::optional<std::int64_t> least_over(comm::Communicator& ranks,
                                       std::optional<std::int64_t> value) {
  Stream host = host_stream();
  constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::int64_t least = value.value_or(kNone);
  const Tensor x(&least, Shape{1});
  ranks.run(
      host,
      comm::AllReduce{.y = x, .x = x, .reduction = comm::Reduction::kMin});
  return least == kNone ? std::nullopt : std::optional(least);
}

bool any_of(comm::Communicator& ranks, bool here) {
  Stream host = host_stream();
  std::int32_t any = here ? 1 : 0;
  const Tensor x(&any, Shape{1});
  ranks.run(
      host,
      comm::AllReduce{.y = x, .x = x, .reduction = comm::Reduction::kMax});
  return any != 0;
}

double sum_over(comm::Communicator& ranks, double value) {
  Stream host = host_stream();
  const Tensor x(&value, Shape{1});
  ranks.run(host, comm::AllReduce{.y = x, .x = x});
  return value;
}

std::vector<std::string> gather_texts(comm::Communicator& ranks,
                                      const std::string& text) {
  Stream host = host_stream();
  if (ranks.back_end() == std::string_view("sim")) {
    return {text};  // the others do not exist
  }
  const auto N = static_cast<std::size_t>(ranks.size());
  comm::Counts sizes(N);
  std::int64_t size = std::ssize(text);
  ranks.run(host,
            comm::AllGather{.y = Tensor(sizes.data(), Shape{std::ssize(sizes)}),
                            .x = Tensor(&size, Shape{1})});
  const bool first = ranks.rank() == 0;
  const std::int64_t total =
      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  std::string all(first ? static_cast<std::size_t>(total) : 0, '\0');
  ranks.run(
      host,
      comm::Gather{
          .y = first ? Tensor(all.data(), Shape{total}, DType::kU8) : Tensor(),
          .x = ConstTensor(text.data(), Shape{size}, DType::kU8),
          .counts = sizes});
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (std::size_t rank = 0; first && rank < N; ++rank) {
    texts.push_back(all.substr(at, static_cast<std::size_t>(sizes[rank])));
    at += texts.back().size();
  }
  return texts;
}

std::string broadcast_text(comm::Communicator& ranks, std::string text) {
  Stream host = host_stream();
  if (ranks.back_end() == std::string_view("sim")) {
    return text;
  }
  std::int64_t size = std::ssize(text);
  ranks.run(host, comm::Broadcast{.x = Tensor(&size, Shape{1})});
  text.resize(static_cast<std::size_t>(size));
  ranks.run(host,
            comm::Broadcast{.x = Tensor(text.data(), Shape{size}, DType::kU8)});
  return text;
}

bool all_same(comm::Communicator& ranks, std::int64_t value) {
  return !any_of(ranks, least_over(ranks, value) != value);
}

}  // namespace dure::train
