// Collectives and messages between ranks, as values.
//
//   comm.run(stream, AllReduce{.y = y, .x = x});
//   Work work = comm.start(stream, ReduceScatter{.y = y, .x = x});
//
// Each struct names what this rank gives (x) and what it gets (y). A "part" of
// a tensor is a stretch of its elements in row-major order; each rank has one,
// in the order of the ranks. `counts` are the sizes of the parts and must be
// the same on every rank. Without counts the parts are near-even: of n elements
// on N ranks every rank has n / N, and the first n % N ranks one more. Any size
// may be 0.
//
// Aliasing: y of a reduction may be x. In all_gather and gather, x may be the
// rank's own part of y; in reduce_scatter and scatter, y may be the rank's own
// part of x. Otherwise they do not overlap.
//
// Types: all. Sums and products of bf16 and f16 are made in f32 and rounded
// once. kAverage takes floating-point types only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/tensor/tensor.h"

namespace dure::comm {

enum class Kind : std::uint8_t {
  kBroadcast,
  kReduce,
  kAllReduce,
  kScatter,
  kGather,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kBarrier,
  kSend,
  kRecv,
};
inline constexpr int kKinds = 11;
const char* name_of(Kind kind);
bool is_reduction(Kind kind);  // whose result is made of all ranks' elements
bool has_parts(Kind kind);     // whose ranks give or get parts of a whole
bool is_message(Kind kind);    // send, recv

enum class Reduction : std::uint8_t { kSum, kProduct, kMin, kMax, kAverage };
const char* name_of(Reduction reduction);

// kRanked: the result is ((x_0 + x_1) + x_2) + ..., whatever the algorithm and
// the timing. kFast: any order, but the same in every run on as many ranks.
enum class SumOrder : std::uint8_t { kFast, kRanked };

// How the data travels (plan.h). kDirect leaves it to the back end.
enum class Algorithm : std::uint8_t {
  kAutomatic,
  kDirect,
  kRoot,
  kAllToAll,
  kRing,
  kChain,
  kHalvingDoubling,
  kTree,
};
const char* name_of(Algorithm algorithm);

struct CollectiveOptions {
  SumOrder sums = SumOrder::kFast;
  Algorithm algorithm = Algorithm::kAutomatic;
};

using Counts = std::vector<std::int64_t>;

// The root's x is copied to all ranks.
struct Broadcast {
  Tensor x;
  int root = 0;
  CollectiveOptions how = {};
};

// The root's y is the reduction of all x. The other ranks leave y empty.
struct Reduce {
  Tensor y = {};
  ConstTensor x;
  Reduction reduction = Reduction::kSum;
  int root = 0;
  CollectiveOptions how = {};
};

struct AllReduce {
  Tensor y;
  ConstTensor x;
  Reduction reduction = Reduction::kSum;
  CollectiveOptions how = {};
};

// y is this rank's part of the root's x. The other ranks leave x empty.
struct Scatter {
  Tensor y;
  ConstTensor x = {};
  int root = 0;
  Counts counts = {};
  CollectiveOptions how = {};
};

// The root's y has all x as its parts. The other ranks leave y empty.
struct Gather {
  Tensor y = {};
  ConstTensor x;
  int root = 0;
  Counts counts = {};
  CollectiveOptions how = {};
};

struct AllGather {
  Tensor y;
  ConstTensor x;
  Counts counts = {};
  CollectiveOptions how = {};
};

// y is this rank's part of the reduction of all x.
struct ReduceScatter {
  Tensor y;
  ConstTensor x;
  Reduction reduction = Reduction::kSum;
  Counts counts = {};
  CollectiveOptions how = {};
};

// Part j of rank i's x becomes part i of rank j's y. x_counts[j] elements go to
// rank j, y_counts[i] come from rank i. Without counts x has near-even parts,
// and every rank's x must have the same size.
struct AllToAll {
  Tensor y;
  ConstTensor x;
  Counts x_counts = {};
  Counts y_counts = {};
  CollectiveOptions how = {};
};

// No rank leaves before all have come.
struct Barrier {};

// A message. Messages between two ranks with equal tags are received in the
// order in which they are sent; those with other tags do not wait for one
// another. Sizes and types must agree.
struct Send {
  ConstTensor x;
  int to = 0;
  int tag = 0;  // not negative
};
struct Recv {
  Tensor y;
  int from = 0;
  int tag = 0;
};

// Any collective or message as back ends get it: checked, with counts filled
// in.
struct Request {
  Kind kind = Kind::kBarrier;
  ConstTensor input = {};  // empty where this rank gives nothing
  Tensor output = {};      // empty where this rank gets nothing
  Reduction reduction = Reduction::kSum;
  CollectiveOptions how = {};
  int root = 0;          // of messages: the other rank
  int tag = 0;           // of messages
  Counts counts = {};    // of scatter, gather, all_gather, reduce_scatter, and
                         // of x of all_to_all: the parts
  Counts y_counts = {};  // of y of all_to_all
  std::uint64_t sequence = 0;  // the flight recorder's

  DType dtype() const { return input ? input.dtype() : output.dtype(); }
};

// Throw Error if shapes, types, counts or ranks do not fit, as far as one rank
// can see.
Request request_of(const Broadcast& op, int rank, int ranks);
Request request_of(const Reduce& op, int rank, int ranks);
Request request_of(const AllReduce& op, int rank, int ranks);
Request request_of(const Scatter& op, int rank, int ranks);
Request request_of(const Gather& op, int rank, int ranks);
Request request_of(const AllGather& op, int rank, int ranks);
Request request_of(const ReduceScatter& op, int rank, int ranks);
Request request_of(const AllToAll& op, int rank, int ranks);
Request request_of(const Barrier& op, int rank, int ranks);
Request request_of(const Send& op, int rank, int ranks);
Request request_of(const Recv& op, int rank, int ranks);

// Sizes of the near-even parts of n elements.
Counts even_counts(std::int64_t n, int ranks);

// Where part i begins: the sum of the counts before it.
std::int64_t offset_of(const Counts& counts, int part);

// The number of elements of x or y, whichever has more.
std::int64_t elements_of(const Request& request);

// For messages to people: "all_reduce of 12 f32, sum".
std::string describe(const Request& request);

}  // namespace dure::comm
