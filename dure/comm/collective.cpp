#include "dure/comm/collective.h"

#include <algorithm>
#include <fmt/core.h>
#include <numeric>

#include "dure/base/check.h"

namespace dure::comm {
namespace {

void check_rank(const char* what, int rank, int ranks) {
  DURE_CHECK(rank >= 0 && rank < ranks,
             "{} is rank {}, wanted one of 0 to {}",
             what,
             rank,
             ranks - 1);
}

void check_like(Kind kind, const ConstTensor& y, const ConstTensor& x) {
  DURE_CHECK(y.dtype() == x.dtype(),
             "{}: y is of {}, x of {}",
             name_of(kind),
             name_of(y.dtype()),
             name_of(x.dtype()));
}

void check_elements(Kind kind,
                    const char* name,
                    const ConstTensor& tensor,
                    std::int64_t wanted) {
  DURE_CHECK(tensor.elements() == wanted,
             "{}: {} has {} elements, wanted {}",
             name_of(kind),
             name,
             tensor.elements(),
             wanted);
}

void check_reduction(Kind kind, Reduction reduction, DType dtype) {
  const bool whole = dtype == DType::kI32 || dtype == DType::kI64 ||
                     dtype == DType::kU16 || dtype == DType::kU8;
  DURE_CHECK(!(whole && reduction == Reduction::kAverage),
             "{}: the average of {} is no whole number; wanted sum, product, "
             "min or max",
             name_of(kind),
             name_of(dtype));
}

Counts counts_of(Kind kind, const Counts& given, std::int64_t n, int ranks) {
  if (given.empty()) {
    return even_counts(n, ranks);
  }
  DURE_CHECK(std::ssize(given) == ranks,
             "{}: {} counts for {} ranks",
             name_of(kind),
             given.size(),
             ranks);
  DURE_CHECK(*std::min_element(given.begin(), given.end()) >= 0,
             "{}: a count is negative",
             name_of(kind));
  return given;
}

std::int64_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

// The counts of a whole that this rank does not see. Without given counts it
// knows only its own part, so they stay empty.
Counts counts_unseen(Kind kind, const Counts& given, int ranks) {
  return given.empty() ? Counts{} : counts_of(kind, given, 0, ranks);
}

// For scatter and gather: the root has `whole`, every rank has `part`.
void fill_rooted(Request& request,
                 const Counts& given,
                 const char* whole_name,
                 const ConstTensor& whole,
                 const char* part_name,
                 const ConstTensor& part,
                 int rank,
                 int ranks) {
  const Kind kind = request.kind;
  check_rank(name_of(kind), request.root, ranks);
  if (rank != request.root) {
    request.counts = counts_unseen(kind, given, ranks);
    if (!request.counts.empty()) {
      check_elements(kind, part_name, part, request.counts[rank]);
    }
    return;
  }
  check_like(kind, part, whole);
  request.counts = counts_of(kind, given, whole.elements(), ranks);
  check_elements(kind, whole_name, whole, sum(request.counts));
  check_elements(kind, part_name, part, request.counts[rank]);
}

Request message(Kind kind, int peer, int tag, int ranks) {
  check_rank(name_of(kind), peer, ranks);
  DURE_CHECK(tag >= 0, "{}: tag {} is negative", name_of(kind), tag);
  return {.kind = kind, .root = peer, .tag = tag};
}

}  // namespace

const char* name_of(Kind kind) {
  constexpr const char* kNames[kKinds] = {"broadcast",
                                          "reduce",
                                          "all_reduce",
                                          "scatter",
                                          "gather",
                                          "all_gather",
                                          "reduce_scatter",
                                          "all_to_all",
                                          "barrier",
                                          "send",
                                          "recv"};
  return kNames[static_cast<int>(kind)];
}

bool is_reduction(Kind kind) {
  return kind == Kind::kReduce || kind == Kind::kAllReduce ||
         kind == Kind::kReduceScatter;
}

bool has_parts(Kind kind) {
  return kind == Kind::kScatter || kind == Kind::kGather ||
         kind == Kind::kAllGather || kind == Kind::kReduceScatter ||
         kind == Kind::kAllToAll;
}

bool is_message(Kind kind) {
  return kind == Kind::kSend || kind == Kind::kRecv;
}

const char* name_of(Reduction reduction) {
  constexpr const char* kNames[] = {"sum", "product", "min", "max", "average"};
  return kNames[static_cast<int>(reduction)];
}

const char* name_of(Algorithm algorithm) {
  constexpr const char* kNames[] = {"automatic",
                                    "direct",
                                    "root",
                                    "all-to-all",
                                    "ring",
                                    "chain",
                                    "halving-doubling",
                                    "tree"};
  return kNames[static_cast<int>(algorithm)];
}

Counts even_counts(std::int64_t n, int ranks) {
  Counts counts(static_cast<std::size_t>(ranks), n / ranks);
  std::for_each(
      counts.begin(), counts.begin() + n % ranks, [](auto& count) { ++count; });
  return counts;
}

std::int64_t offset_of(const Counts& counts, int part) {
  return std::accumulate(
      counts.begin(), counts.begin() + part, std::int64_t{0});
}

Request request_of(const Broadcast& op, int /*rank*/, int ranks) {
  check_rank("broadcast: the root", op.root, ranks);
  return {.kind = Kind::kBroadcast,
          .input = op.x,
          .output = op.x,
          .how = op.how,
          .root = op.root};
}

Request request_of(const Reduce& op, int rank, int ranks) {
  check_rank("reduce: the root", op.root, ranks);
  check_reduction(Kind::kReduce, op.reduction, op.x.dtype());
  if (rank == op.root) {
    check_like(Kind::kReduce, op.y, op.x);
    check_elements(Kind::kReduce, "y", op.y, op.x.elements());
  }
  return {.kind = Kind::kReduce,
          .input = op.x,
          .output = rank == op.root ? op.y : Tensor(),
          .reduction = op.reduction,
          .how = op.how,
          .root = op.root};
}

Request request_of(const AllReduce& op, int /*rank*/, int /*ranks*/) {
  check_reduction(Kind::kAllReduce, op.reduction, op.x.dtype());
  check_like(Kind::kAllReduce, op.y, op.x);
  check_elements(Kind::kAllReduce, "y", op.y, op.x.elements());
  return {.kind = Kind::kAllReduce,
          .input = op.x,
          .output = op.y,
          .reduction = op.reduction,
          .how = op.how};
}

Request request_of(const Scatter& op, int rank, int ranks) {
  Request request{.kind = Kind::kScatter,
                  .input = rank == op.root ? op.x : ConstTensor(),
                  .output = op.y,
                  .how = op.how,
                  .root = op.root};
  fill_rooted(request, op.counts, "x", op.x, "y", op.y, rank, ranks);
  return request;
}

Request request_of(const Gather& op, int rank, int ranks) {
  Request request{.kind = Kind::kGather,
                  .input = op.x,
                  .output = rank == op.root ? op.y : Tensor(),
                  .how = op.how,
                  .root = op.root};
  fill_rooted(request, op.counts, "y", op.y, "x", op.x, rank, ranks);
  return request;
}

Request request_of(const AllGather& op, int rank, int ranks) {
  check_like(Kind::kAllGather, op.y, op.x);
  Request request{
      .kind = Kind::kAllGather,
      .input = op.x,
      .output = op.y,
      .how = op.how,
      .counts = counts_of(Kind::kAllGather, op.counts, op.y.elements(), ranks)};
  check_elements(Kind::kAllGather, "y", op.y, sum(request.counts));
  check_elements(Kind::kAllGather, "x", op.x, request.counts[rank]);
  return request;
}

Request request_of(const ReduceScatter& op, int rank, int ranks) {
  check_reduction(Kind::kReduceScatter, op.reduction, op.x.dtype());
  check_like(Kind::kReduceScatter, op.y, op.x);
  Request request{.kind = Kind::kReduceScatter,
                  .input = op.x,
                  .output = op.y,
                  .reduction = op.reduction,
                  .how = op.how,
                  .counts = counts_of(
                      Kind::kReduceScatter, op.counts, op.x.elements(), ranks)};
  check_elements(Kind::kReduceScatter, "x", op.x, sum(request.counts));
  check_elements(Kind::kReduceScatter, "y", op.y, request.counts[rank]);
  return request;
}

Request request_of(const AllToAll& op, int rank, int ranks) {
  constexpr Kind kKind = Kind::kAllToAll;
  check_like(kKind, op.y, op.x);
  DURE_CHECK(op.x_counts.empty() == op.y_counts.empty(),
             "all_to_all: x_counts and y_counts go together, one is missing");
  Request request{
      .kind = kKind,
      .input = op.x,
      .output = op.y,
      .how = op.how,
      .counts = counts_of(kKind, op.x_counts, op.x.elements(), ranks)};
  const auto me = static_cast<std::size_t>(rank);
  request.y_counts =
      op.y_counts.empty()
          ? Counts(static_cast<std::size_t>(ranks), request.counts[me])
          : counts_of(kKind, op.y_counts, 0, ranks);
  check_elements(kKind, "x", op.x, sum(request.counts));
  check_elements(kKind, "y", op.y, sum(request.y_counts));
  DURE_CHECK(request.counts[me] == request.y_counts[me],
             "all_to_all: rank {} sends itself {} elements, but takes {}",
             rank,
             request.counts[me],
             request.y_counts[me]);
  return request;
}

Request request_of(const Barrier& /*op*/, int /*rank*/, int /*ranks*/) {
  return {.kind = Kind::kBarrier};
}

Request request_of(const Send& op, int /*rank*/, int ranks) {
  Request request = message(Kind::kSend, op.to, op.tag, ranks);
  request.input = op.x;
  return request;
}

Request request_of(const Recv& op, int /*rank*/, int ranks) {
  Request request = message(Kind::kRecv, op.from, op.tag, ranks);
  request.output = op.y;
  return request;
}

std::int64_t elements_of(const Request& request) {
  return std::max(request.input.elements(), request.output.elements());
}

namespace {

std::string peer_of(const Request& request) {
  switch (request.kind) {
    case Kind::kBroadcast:
    case Kind::kReduce:
    case Kind::kScatter:
    case Kind::kGather:
      return fmt::format(", root {}", request.root);
    case Kind::kSend:
      return fmt::format(" to rank {}, tag {}", request.root, request.tag);
    case Kind::kRecv:
      return fmt::format(" from rank {}, tag {}", request.root, request.tag);
    default:
      return "";
  }
}

}  // namespace

std::string describe(const Request& request) {
  if (request.kind == Kind::kBarrier) {
    return name_of(request.kind);
  }
  return fmt::format("{} of {} {}{}{}",
                     name_of(request.kind),
                     elements_of(request),
                     name_of(request.dtype()),
                     is_reduction(request.kind)
                         ? fmt::format(", {}", name_of(request.reduction))
                         : "",
                     peer_of(request));
}

}  // namespace dure::comm
