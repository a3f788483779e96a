#include "dure/comm/host_ranks.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>

namespace dure::comm {
namespace {

std::unique_ptr<Communicator> all_of(Communicator& ranks) {
  std::vector<int> all(static_cast<std::size_t>(ranks.size()));
  std::iota(all.begin(), all.end(), 0);
  return ranks.own_group(all, "control");
}

bool is_simulated(const Communicator& ranks) {
  return ranks.back_end() == std::string_view("sim");
}

}  // namespace

HostRanks::HostRanks(Communicator& ranks) : ranks_(all_of(ranks)) {}

template <typename T>
void HostRanks::reduce(std::span<T> values, Reduction reduction) {
  const Tensor x(values.data(), Shape{std::ssize(values)});
  ranks_->run(host_, AllReduce{.y = x, .x = x, .reduction = reduction});
}

double HostRanks::sum(double value) {
  reduce(std::span(&value, 1), Reduction::kSum);
  return value;
}

ExactSum HostRanks::sum(const ExactSum& sum) {
  ExactSum all = sum;
  this->sum(std::span(&all, 1));
  return all;
}

void HostRanks::sum(std::span<ExactSum> sums) {
  std::vector<std::int64_t> all;
  for (ExactSum& sum : sums) {
    const auto digits = sum.digits();
    all.insert(all.end(), digits.begin(), digits.end());
  }
  reduce(std::span(all), Reduction::kSum);
  auto from = all.begin();
  for (ExactSum& sum : sums) {
    const auto digits = sum.digits();
    std::copy_n(from, digits.size(), digits.begin());
    from += std::ssize(digits);
  }
}

std::optional<std::int64_t> HostRanks::least(
    std::optional<std::int64_t> value) {
  constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::int64_t least = value.value_or(kNone);
  reduce(std::span(&least, 1), Reduction::kMin);
  return least == kNone ? std::nullopt : std::optional(least);
}

bool HostRanks::any(bool here) {
  std::int32_t any = here ? 1 : 0;
  reduce(std::span(&any, 1), Reduction::kMax);
  return any != 0;
}

bool HostRanks::all_same(std::int64_t value) {
  return !any(least(value) != value);
}

Counts HostRanks::gather_sizes(std::int64_t size) {
  Counts sizes(static_cast<std::size_t>(ranks_->size()));
  ranks_->run(host_,
              AllGather{.y = Tensor(sizes.data(), Shape{std::ssize(sizes)}),
                        .x = Tensor(&size, Shape{1})});
  return sizes;
}

std::vector<std::vector<std::int64_t>> HostRanks::gather(
    std::span<const std::int64_t> numbers) {
  const Counts sizes = gather_sizes(std::ssize(numbers));
  const std::int64_t total = offset_of(sizes, ranks_->size());
  std::vector<std::int64_t> all(static_cast<std::size_t>(total));
  ranks_->run(
      host_,
      AllGather{.y = Tensor(all.data(), Shape{total}),
                .x = ConstTensor(numbers.data(), Shape{std::ssize(numbers)}),
                .counts = sizes});
  std::vector<std::vector<std::int64_t>> by_rank;
  auto next = all.begin();
  for (const std::int64_t size : sizes) {
    by_rank.emplace_back(next, next + size);
    next += size;
  }
  return by_rank;
}

std::vector<std::string> HostRanks::gather_texts(const std::string& text) {
  if (is_simulated(*ranks_)) {
    return {text};  // the others do not exist
  }
  const Counts sizes = gather_sizes(std::ssize(text));
  const std::int64_t total = offset_of(sizes, ranks_->size());
  std::string all(is_first() ? static_cast<std::size_t>(total) : 0, '\0');
  ranks_->run(
      host_,
      Gather{.y = is_first() ? Tensor(all.data(), Shape{total}, DType::kU8)
                             : Tensor(),
             .x = ConstTensor(text.data(), Shape{std::ssize(text)}, DType::kU8),
             .counts = sizes});
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (std::size_t rank = 0; is_first() && rank < sizes.size(); ++rank) {
    texts.push_back(all.substr(at, static_cast<std::size_t>(sizes[rank])));
    at += texts.back().size();
  }
  return texts;
}

std::string HostRanks::broadcast_text(std::string text) {
  if (is_simulated(*ranks_)) {
    return text;
  }
  std::int64_t size = std::ssize(text);
  ranks_->run(host_, Broadcast{.x = Tensor(&size, Shape{1})});
  text.resize(static_cast<std::size_t>(size));
  ranks_->run(host_,
              Broadcast{.x = Tensor(text.data(), Shape{size}, DType::kU8)});
  return text;
}

void HostRanks::barrier() {
  ranks_->run(host_, Barrier{});
}

}  // namespace dure::comm
