#include "dure/comm/agreement.h"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <vector>

#include "dure/base/fingerprint.h"

namespace dure::comm {
namespace {

// Never 0.
std::uint64_t hash_of(const Counts& counts) {
  return fingerprint({reinterpret_cast<const char*>(counts.data()),
                      sizeof(std::int64_t) * counts.size()}) |
         1;
}

// The number of elements that must be the same on all ranks; -1 if it may
// differ.
std::int64_t common_elements(const Header& header) {
  switch (header.kind) {
    case Kind::kBroadcast:
    case Kind::kReduce:
    case Kind::kAllReduce:
    case Kind::kReduceScatter:
      return header.given;
    case Kind::kAllGather:
      return header.wanted;
    default:
      return -1;
  }
}

bool same_call(const Header& a, const Header& b) {
  return a.kind == b.kind && a.dtype == b.dtype && a.root == b.root &&
         a.sums == b.sums && a.algorithm == b.algorithm &&
         (!is_reduction(a.kind) || a.reduction == b.reduction) &&
         common_elements(a) == common_elements(b) &&
         (a.counts == b.counts || a.counts == 0 || b.counts == 0 ||
          a.kind == Kind::kAllToAll);
}

// The root's elements of a scatter or gather must be the sum of all ranks'.
bool parts_add_up(std::span<const Header> headers) {
  std::int64_t given = 0;
  std::int64_t wanted = 0;
  for (const Header& header : headers) {
    given += header.given;
    wanted += header.wanted;
  }
  const Kind kind = headers[0].kind;
  return given == wanted || (kind != Kind::kScatter && kind != Kind::kGather &&
                             kind != Kind::kAllToAll);
}

std::string list_of(const std::vector<std::size_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  }
  return text;
}

}  // namespace

Header header_of(const Request& request) {
  return {.kind = request.kind,
          .dtype = request.dtype(),
          .reduction = request.reduction,
          .sums = request.how.sums,
          .algorithm = request.how.algorithm,
          .root = request.root,
          .given = request.input.elements(),
          .wanted = request.output.elements(),
          .counts = request.counts.empty() ? 0 : hash_of(request.counts)};
}

std::string disagreement(std::span<const Header> headers) {
  const bool agreed =
      std::all_of(headers.begin(),
                  headers.end(),
                  [&](const Header& h) { return same_call(h, headers[0]); }) &&
      parts_add_up(headers);
  if (agreed) {
    return "";
  }
  std::map<std::string, std::vector<std::size_t>> callers;
  for (std::size_t rank = 0; rank < headers.size(); ++rank) {
    callers[describe(headers[rank])].push_back(rank);
  }
  std::string text = "ranks of one communicator called different things:";
  for (const auto& [call, ranks] : callers) {
    text += "\n  " + list_of(ranks) + ": " + call;
  }
  return text;
}

std::string describe(const Header& header) {
  if (header.kind == Kind::kBarrier) {
    return name_of(header.kind);
  }
  std::string text =
      fmt::format("{} of {}", name_of(header.kind), name_of(header.dtype));
  if (is_reduction(header.kind)) {
    text += fmt::format(", {}", name_of(header.reduction));
  }
  text += fmt::format(", gives {}, gets {}", header.given, header.wanted);
  if (header.kind != Kind::kAllReduce && header.kind != Kind::kAllGather &&
      header.kind != Kind::kReduceScatter && header.kind != Kind::kAllToAll) {
    text += fmt::format(", root {}", header.root);
  }
  if (header.sums == SumOrder::kRanked) {
    text += ", ranked";
  }
  if (header.algorithm != Algorithm::kAutomatic) {
    text += fmt::format(", by {}", name_of(header.algorithm));
  }
  return text;
}

}  // namespace dure::comm
