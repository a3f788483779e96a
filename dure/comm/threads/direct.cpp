#include "dure/comm/threads/direct.h"

#include <cstring>
#include <vector>

#include "dure/comm/algorithm/reduce.h"
#include "dure/comm/error.h"

namespace dure::comm {
namespace {

const std::byte* element(const ConstTensor& tensor, std::int64_t at) {
  return static_cast<const std::byte*>(tensor.bytes()) +
         at * static_cast<std::int64_t>(size_of(tensor.dtype()));
}
std::byte* element(const Tensor& tensor, std::int64_t at) {
  return static_cast<std::byte*>(tensor.bytes()) +
         at * static_cast<std::int64_t>(size_of(tensor.dtype()));
}

// y[y_at + i] = x[x_at + i]. In place nothing needs to be copied.
void copy(const Tensor& y,
          std::int64_t y_at,
          const ConstTensor& x,
          std::int64_t x_at,
          std::int64_t count) {
  std::byte* const to = count > 0 ? element(y, y_at) : nullptr;
  if (to != nullptr && to != element(x, x_at)) {
    std::memcpy(to,
                element(x, x_at),
                static_cast<std::size_t>(count) * size_of(y.dtype()));
  }
}

// The near-even share of n elements that a rank reduces for all.
ElementRange share_of(std::int64_t n, int rank, std::int64_t ranks) {
  // Shares consist of cache lines, so that no two ranks write to one.
  constexpr std::int64_t kLine = 64;
  const std::int64_t lines = (n + kLine - 1) / kLine;
  return {std::min(n, lines * rank / ranks * kLine),
          std::min(n, lines * (rank + 1) / ranks * kLine)};
}

std::vector<ConstTensor> inputs(std::span<const Request* const> requests) {
  std::vector<ConstTensor> xs;
  for (const Request* request : requests) {
    xs.push_back(request->input);
  }
  return xs;
}

void reduce_share(std::span<const Request* const> requests,
                  int rank,
                  std::span<const Tensor> ys) {
  reduce_all(
      ys,
      inputs(requests),
      requests[0]->reduction,
      share_of(requests[0]->input.elements(), rank, std::ssize(requests)));
}

void all_reduce(std::span<const Request* const> requests, int rank) {
  std::vector<Tensor> ys;
  for (const Request* request : requests) {
    ys.push_back(request->output);
  }
  reduce_share(requests, rank, ys);
}

// y is one part. A view that begins as far before it as x's part begins in x
// has the same numbering. Only elements of the part are touched.
void reduce_scatter(std::span<const Request* const> requests, int rank) {
  const Request& mine = *requests[rank];
  const std::int64_t count = mine.output.elements();
  const std::int64_t first = offset_of(mine.counts, rank);
  std::vector<ConstTensor> parts;
  for (const Request* request : requests) {
    parts.emplace_back(
        element(request->input, first), Shape{count}, mine.dtype());
  }
  reduce_all({&mine.output, 1}, parts, mine.reduction, {0, count});
}

void scatter(std::span<const Request* const> requests, int rank) {
  const Request& mine = *requests[rank];
  const Request& root = *requests[mine.root];
  const std::int64_t count = mine.output.elements();
  if (root.counts[rank] != count) {
    throw Mismatch(
        "scatter: rank {} takes {} elements, but the root gives it {}",
        rank,
        count,
        root.counts[rank]);
  }
  copy(mine.output, 0, root.input, offset_of(root.counts, rank), count);
}

void gather(std::span<const Request* const> requests, int rank) {
  const Request& mine = *requests[rank];
  const Request& root = *requests[mine.root];
  const std::int64_t count = mine.input.elements();
  if (root.counts[rank] != count) {
    throw Mismatch("gather: rank {} gives {} elements, but the root takes {}",
                   rank,
                   count,
                   root.counts[rank]);
  }
  copy(root.output, offset_of(root.counts, rank), mine.input, 0, count);
}

void all_gather(std::span<const Request* const> requests, int rank) {
  const Request& mine = *requests[rank];
  std::int64_t at = 0;
  for (const Request* request : requests) {
    copy(mine.output, at, request->input, 0, request->input.elements());
    at += request->input.elements();
  }
}

void all_to_all(std::span<const Request* const> requests, int rank) {
  const Request& mine = *requests[rank];
  std::int64_t at = 0;
  for (std::size_t peer = 0; peer < requests.size(); ++peer) {
    const Request& from = *requests[peer];
    const std::int64_t count = mine.y_counts[peer];
    if (from.counts[rank] != count) {
      throw Mismatch(
          "all_to_all: rank {} gives rank {} {} elements, which takes {}",
          peer,
          rank,
          from.counts[rank],
          count);
    }
    copy(mine.output, at, from.input, offset_of(from.counts, rank), count);
    at += count;
  }
}

}  // namespace

void run_share(std::span<const Request* const> requests, int rank) {
  const Request& mine = *requests[rank];
  const Request& root = *requests[mine.root];
  switch (mine.kind) {
    case Kind::kBroadcast:
      return copy(mine.output, 0, root.input, 0, root.input.elements());
    case Kind::kReduce:
      return reduce_share(requests, rank, {&root.output, 1});
    case Kind::kAllReduce:
      return all_reduce(requests, rank);
    case Kind::kScatter:
      return scatter(requests, rank);
    case Kind::kGather:
      return gather(requests, rank);
    case Kind::kAllGather:
      return all_gather(requests, rank);
    case Kind::kReduceScatter:
      return reduce_scatter(requests, rank);
    case Kind::kAllToAll:
      return all_to_all(requests, rank);
    default:
      return;
  }
}

}  // namespace dure::comm
