#include "dure/comm/conformance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fmt/core.h>
#include <numeric>

#include "dure/base/half.h"
#include "dure/base/random.h"
#include "dure/comm/error.h"
#include "dure/tensor/element_type.h"

namespace dure::comm {
namespace {

template <typename T>
void encode(std::vector<std::byte>& bytes, const std::vector<double>& values) {
  bytes.resize(std::max<std::size_t>(1, values.size() * sizeof(T)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T element{};
    if constexpr (std::is_same_v<T, Bf16> || std::is_same_v<T, F16>) {
      element = from_float<T>(static_cast<float>(values[i]));
    } else {
      element = static_cast<T>(
          static_cast<std::conditional_t<std::is_floating_point_v<T>,
                                         double,
                                         std::int64_t>>(values[i]));
    }
    std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof(T));
  }
}

template <typename T>
std::vector<double> decode(const std::vector<std::byte>& bytes,
                           std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    T element{};
    std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (std::is_same_v<T, Bf16> || std::is_same_v<T, F16>) {
      values.push_back(static_cast<double>(to_float(element)));
    } else {
      values.push_back(static_cast<double>(element));
    }
  }
  return values;
}

}  // namespace

Elements::Elements(DType dtype, const std::vector<double>& values)
    : dtype_(dtype), count_(std::ssize(values)) {
  with_type(dtype,
            [&](auto element) { encode<decltype(element)>(bytes_, values); });
}

Elements Elements::blank(DType dtype, std::int64_t count) {
  return {dtype, std::vector<double>(static_cast<std::size_t>(count), -1.0)};
}

std::vector<double> Elements::values() const {
  return with_type(dtype_, [&](auto element) {
    return decode<decltype(element)>(bytes_, count_);
  });
}

namespace {

constexpr std::array kTypes = {DType::kF32,
                               DType::kF64,
                               DType::kBf16,
                               DType::kF16,
                               DType::kI32,
                               DType::kI64,
                               DType::kU8};
// Sizes around small ones, blocks and cache lines, and some that no ranks
// divide.
constexpr std::array<std::int64_t, 8> kSizes = {
    0, 1, 2, 5, 64, 65, 1031, 100'003};

// The values are so small that every type holds all their sums and products.
double value(int rank, std::int64_t i) {
  return 1 + static_cast<double>((i + rank) % 2);
}

std::vector<double> values_of(int rank, std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(value(rank, i));
  }
  return values;
}

double combine(Reduction reduction, double a, double b) {
  switch (reduction) {
    case Reduction::kProduct:
      return a * b;
    case Reduction::kMin:
      return std::min(a, b);
    case Reduction::kMax:
      return std::max(a, b);
    default:
      return a + b;
  }
}

std::vector<double> reduced(Reduction reduction, int ranks, std::int64_t n) {
  std::vector<double> result = values_of(0, n);
  for (int rank = 1; rank < ranks; ++rank) {
    for (std::int64_t i = 0; i < n; ++i) {
      double& r = result[i];
      r = combine(reduction, r, value(rank, i));
    }
  }
  return result;
}

// Calls body() for every type and size.
template <typename Body>
void for_each_case(const Body& body) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t n : kSizes) {
      SCOPED_TRACE(fmt::format("{} {}", n, name_of(dtype)));
      body(dtype, n);
    }
  }
}

std::vector<double> slice(const std::vector<double>& all,
                          std::int64_t first,
                          std::int64_t count) {
  return {all.begin() + first, all.begin() + first + count};
}

TEST_P(Conformance, BroadcastsFromEveryRoot) {
  run([](Communicator& comm) {
    for_each_case([&](DType dtype, std::int64_t n) {
      for (int root = 0; root < comm.size(); ++root) {
        Elements x(dtype, values_of(comm.rank(), n));
        comm.run(host(), Broadcast{.x = x.tensor(), .root = root});
        EXPECT_EQ(x.values(), values_of(root, n));
      }
    });
  });
}

TEST_P(Conformance, ReducesEveryTypeEveryWay) {
  run([](Communicator& comm) {
    for (const auto reduction : {Reduction::kSum,
                                 Reduction::kProduct,
                                 Reduction::kMin,
                                 Reduction::kMax}) {
      for_each_case([&](DType dtype, std::int64_t n) {
        const auto wanted = reduced(reduction, comm.size(), n);
        Elements x(dtype, values_of(comm.rank(), n));
        Elements y = Elements::blank(dtype, n);
        comm.run(host(),
                 AllReduce{
                     .y = y.tensor(), .x = x.tensor(), .reduction = reduction});
        EXPECT_EQ(y.values(), wanted) << name_of(reduction);
        EXPECT_EQ(x.values(), values_of(comm.rank(), n));
        const int root = comm.size() - 1;
        Elements at_root = Elements::blank(dtype, n);
        comm.run(host(),
                 Reduce{.y = at_root.tensor(),
                        .x = x.tensor(),
                        .reduction = reduction,
                        .root = root});
        EXPECT_EQ(
            at_root.values(),
            comm.rank() == root ? wanted : Elements::blank(dtype, n).values());
      });
    }
  });
}

TEST_P(Conformance, ReducesInPlace) {
  run([](Communicator& comm) {
    for_each_case([&](DType dtype, std::int64_t n) {
      Elements x(dtype, values_of(comm.rank(), n));
      comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
      EXPECT_EQ(x.values(), reduced(Reduction::kSum, comm.size(), n));
    });
  });
}

TEST_P(Conformance, AveragesFloatingPointAlone) {
  run([](Communicator& comm) {
    const int ranks = comm.size();
    for (const DType dtype :
         {DType::kF32, DType::kF64, DType::kBf16, DType::kF16}) {
      Elements x(dtype, {4.0 * comm.rank() * ranks, 8.0 * ranks});
      comm.run(host(),
               AllReduce{.y = x.tensor(),
                         .x = x.tensor(),
                         .reduction = Reduction::kAverage});
      EXPECT_EQ(x.values(),
                (std::vector<double>{2.0 * ranks * (ranks - 1), 8.0 * ranks}));
    }
    Elements whole = Elements::blank(DType::kI32, 3);
    EXPECT_THROW(comm.run(host(),
                          AllReduce{.y = whole.tensor(),
                                    .x = whole.tensor(),
                                    .reduction = Reduction::kAverage}),
                 Error);
  });
}

// 256 is bf16's first number whose successor it lacks, so sums in bf16 would
// stay there.
TEST_P(Conformance, SumsSixteenBitsInThirtyTwo) {
  run([](Communicator& comm) {
    const double mine = comm.rank() == 0 ? 256 : 1;
    const double sum = 256 + comm.size() - 1;
    Elements x(DType::kBf16, {mine});
    comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
    EXPECT_EQ(x.values(), Elements(DType::kBf16, {sum}).values());
    Elements large(DType::kBf16, std::vector<double>(5000, mine));
    comm.run(host(), AllReduce{.y = large.tensor(), .x = large.tensor()});
    EXPECT_EQ(large.values()[4999], x.values()[0]);
  });
}

// The numbers have very different sizes, so their sum depends on its order.
TEST_P(Conformance, RankedSumsAreThoseOfOneRankAfterTheOther) {
  run([](Communicator& comm) {
    const auto number = [](int rank, std::size_t i) {
      const RandomStream random(3, "ranked");
      return random.normal(i * 64 + static_cast<std::size_t>(rank)) *
             std::ldexp(1.0F, static_cast<int>(i + 7 * rank) % 20);
    };
    for (const std::size_t n : {1U, 7U, 3001U}) {
      std::vector<float> x(n);
      std::vector<float> wanted(n);
      for (std::size_t i = 0; i < n; ++i) {
        x[i] = number(comm.rank(), i);
        wanted[i] = number(0, i);
        for (int rank = 1; rank < comm.size(); ++rank) {
          wanted[i] += number(rank, i);
        }
      }
      std::vector<float> y(n);
      const Shape shape{static_cast<std::int64_t>(n)};
      comm.run(host(),
               AllReduce{.y = Tensor(y.data(), shape),
                         .x = ConstTensor(x.data(), shape),
                         .how = {.sums = SumOrder::kRanked}});
      EXPECT_EQ(y, wanted);
    }
  });
}

Counts uneven(int ranks) {
  Counts counts;
  for (int rank = 0; rank < ranks; ++rank) {
    counts.push_back(rank % 3 == 1 ? 0 : 5 * rank + 1);
  }
  return counts;
}

// Calls body() for near-even parts of every size, and for given ones.
template <typename Body>
void for_each_cut(int ranks, const Body& body) {
  for_each_case([&](DType dtype, std::int64_t n) {
    body(dtype, n, even_counts(n, ranks), Counts{});
  });
  const Counts counts = uneven(ranks);
  const std::int64_t n =
      std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  body(DType::kF32, n, counts, counts);
  body(DType::kU8, n, counts, counts);
}

TEST_P(Conformance, ScattersAndGathersParts) {
  run([](Communicator& comm) {
    const auto me = static_cast<std::size_t>(comm.rank());
    for_each_cut(comm.size(),
                 [&](DType dtype,
                     std::int64_t n,
                     const Counts& parts,
                     const Counts& given) {
                   const std::int64_t first = offset_of(parts, comm.rank());
                   for (const int root : {0, comm.size() - 1}) {
                     Elements whole(dtype, values_of(root, n));
                     Elements part = Elements::blank(dtype, parts[me]);
                     comm.run(host(),
                              Scatter{.y = part.tensor(),
                                      .x = whole.tensor(),
                                      .root = root,
                                      .counts = given});
                     EXPECT_EQ(part.values(),
                               slice(values_of(root, n), first, parts[me]));
                     Elements back = Elements::blank(dtype, n);
                     comm.run(host(),
                              Gather{.y = back.tensor(),
                                     .x = part.tensor(),
                                     .root = root,
                                     .counts = given});
                     EXPECT_EQ(back.values(),
                               comm.rank() == root
                                   ? values_of(root, n)
                                   : Elements::blank(dtype, n).values());
                   }
                 });
  });
}

TEST_P(Conformance, GathersPartsForAllAlsoInPlace) {
  run([](Communicator& comm) {
    const auto me = static_cast<std::size_t>(comm.rank());
    for_each_cut(
        comm.size(),
        [&](DType dtype,
            std::int64_t n,
            const Counts& parts,
            const Counts& given) {
          const std::int64_t first = offset_of(parts, comm.rank());
          const auto wanted = values_of(7, n);
          Elements part(dtype, slice(wanted, first, parts[me]));
          Elements whole = Elements::blank(dtype, n);
          comm.run(
              host(),
              AllGather{
                  .y = whole.tensor(), .x = part.tensor(), .counts = given});
          EXPECT_EQ(whole.values(), wanted);
          std::vector<double> own(static_cast<std::size_t>(n), 0);
          std::copy_n(wanted.begin() + first, parts[me], own.begin() + first);
          Elements in_place(dtype, own);
          comm.run(host(),
                   AllGather{.y = in_place.tensor(),
                             .x = in_place.part(first, parts[me]),
                             .counts = given});
          EXPECT_EQ(in_place.values(), wanted);
        });
  });
}

TEST_P(Conformance, ReducesAndScattersAlsoInPlace) {
  run([](Communicator& comm) {
    const auto me = static_cast<std::size_t>(comm.rank());
    for_each_cut(
        comm.size(),
        [&](DType dtype,
            std::int64_t n,
            const Counts& parts,
            const Counts& given) {
          const std::int64_t first = offset_of(parts, comm.rank());
          const auto wanted =
              slice(reduced(Reduction::kSum, comm.size(), n), first, parts[me]);
          Elements x(dtype, values_of(comm.rank(), n));
          Elements y = Elements::blank(dtype, parts[me]);
          comm.run(
              host(),
              ReduceScatter{.y = y.tensor(), .x = x.tensor(), .counts = given});
          EXPECT_EQ(y.values(), wanted);
          comm.run(host(),
                   ReduceScatter{.y = x.part(first, parts[me]),
                                 .x = x.tensor(),
                                 .counts = given});
          EXPECT_EQ(slice(x.values(), first, parts[me]), wanted);
        });
  });
}

TEST_P(Conformance, ExchangesPartsOfAllWithAll) {
  run([](Communicator& comm) {
    const auto me = static_cast<std::size_t>(comm.rank());
    const int ranks = comm.size();
    for_each_case([&](DType dtype, std::int64_t n) {
      const Counts parts = even_counts(n, ranks);
      Elements x(dtype, values_of(comm.rank(), n));
      Elements y = Elements::blank(dtype, parts[me] * ranks);
      comm.run(host(), AllToAll{.y = y.tensor(), .x = x.tensor()});
      std::vector<double> wanted;
      for (int from = 0; from < ranks; ++from) {
        const auto sent =
            slice(values_of(from, n), offset_of(parts, comm.rank()), parts[me]);
        wanted.insert(wanted.end(), sent.begin(), sent.end());
      }
      EXPECT_EQ(y.values(), wanted);
    });
  });
}

// Rank i sends rank j (i + 2 j) % 4 elements with value 10 i + j.
TEST_P(Conformance, ExchangesUnevenParts) {
  run([](Communicator& comm) {
    Counts sent;
    Counts received;
    std::vector<double> x;
    std::vector<double> wanted;
    for (int peer = 0; peer < comm.size(); ++peer) {
      const int out = (comm.rank() + 2 * peer) % 4;
      const int in = (peer + 2 * comm.rank()) % 4;
      sent.push_back(out);
      received.push_back(in);
      x.insert(x.end(), static_cast<std::size_t>(out), 10 * comm.rank() + peer);
      wanted.insert(
          wanted.end(), static_cast<std::size_t>(in), 10 * peer + comm.rank());
    }
    Elements from(DType::kI64, x);
    Elements to = Elements::blank(DType::kI64, std::ssize(wanted));
    comm.run(host(),
             AllToAll{.y = to.tensor(),
                      .x = from.tensor(),
                      .x_counts = sent,
                      .y_counts = received});
    EXPECT_EQ(to.values(), wanted);
  });
}

TEST_P(Conformance, NobodyLeavesABarrierBeforeAllHaveCome) {
  run([](Communicator& comm) {
    std::int64_t come = 1;
    for (int i = 0; i < 50; ++i) {
      comm.run(host(), Barrier{});
    }
    std::int64_t all = 0;
    comm.run(host(),
             AllReduce{.y = Tensor(&all, {1}), .x = Tensor(&come, {1})});
    EXPECT_EQ(all, comm.size());
  });
}

TEST_P(Conformance, MessagesGoRoundTheRing) {
  run([](Communicator& comm) {
    const int next = (comm.rank() + 1) % comm.size();
    const int before = (comm.rank() + comm.size() - 1) % comm.size();
    for_each_case([&](DType dtype, std::int64_t n) {
      Elements x(dtype, values_of(comm.rank(), n));
      Elements y = Elements::blank(dtype, n);
      const Message both[] = {Send{.x = x.tensor(), .to = next},
                              Recv{.y = y.tensor(), .from = before}};
      comm.start_messages(host(), both).wait(host());
      EXPECT_EQ(y.values(), values_of(before, n));
    });
  });
}

TEST_P(Conformance, MessagesMatchByTagAndInOrderWithinOne) {
  run([](Communicator& comm) {
    const int next = (comm.rank() + 1) % comm.size();
    const int before = (comm.rank() + comm.size() - 1) % comm.size();
    std::vector<Elements> sent;
    std::vector<Work> works;
    for (const int tag : {5, 3, 5, 9}) {
      sent.emplace_back(
          DType::kI32,
          std::vector<double>{100.0 * static_cast<double>(sent.size()) + tag});
      works.push_back(comm.start(
          host(), Send{.x = sent.back().tensor(), .to = next, .tag = tag}));
    }
    const auto receive = [&](int tag) {
      Elements y = Elements::blank(DType::kI32, 1);
      comm.run(host(), Recv{.y = y.tensor(), .from = before, .tag = tag});
      return y.values()[0];
    };
    EXPECT_EQ(receive(9), 309);
    EXPECT_EQ(receive(5), 5);
    EXPECT_EQ(receive(3), 103);
    EXPECT_EQ(receive(5), 205);
    for (const Work& work : works) {
      work.wait(host());
      EXPECT_TRUE(work.done());
      EXPECT_GE(work.elapsed_seconds(), 0);
    }
  });
}

// A rank also sends to itself, and to and from all others.
TEST_P(Conformance, ManyMessagesAtOnceDoNotWaitForOneAnother) {
  run([](Communicator& comm) {
    const int ranks = comm.size();
    std::vector<Elements> in;
    std::vector<Elements> out;
    for (int peer = 0; peer < ranks; ++peer) {
      out.emplace_back(DType::kF32, values_of(comm.rank() + peer, 1000));
      in.push_back(Elements::blank(DType::kF32, 1000));
    }
    std::vector<Message> messages;
    for (int peer = 0; peer < ranks; ++peer) {
      const auto p = static_cast<std::size_t>(peer);
      messages.emplace_back(Send{.x = out[p].tensor(), .to = peer, .tag = 1});
      messages.emplace_back(Recv{.y = in[p].tensor(), .from = peer, .tag = 1});
    }
    comm.start_messages(host(), messages).wait(host());
    for (int peer = 0; peer < ranks; ++peer) {
      EXPECT_EQ(in[peer].values(), values_of(peer + comm.rank(), 1000));
    }
  });
}

TEST_P(Conformance, StartedCollectivesRunInOrderBesideOthers) {
  run([](Communicator& comm) {
    constexpr std::int64_t kElements = 20'000;
    std::vector<Elements> xs;
    for (int i = 0; i < 6; ++i) {
      xs.emplace_back(DType::kF32, values_of(comm.rank() + i, kElements));
    }
    std::vector<Work> works;
    for (Elements& x : xs) {
      works.push_back(
          comm.start(host(), AllReduce{.y = x.tensor(), .x = x.tensor()}));
    }
    Elements last(DType::kF32, {1.0});
    comm.run(host(), AllReduce{.y = last.tensor(), .x = last.tensor()});
    EXPECT_EQ(last.values()[0], comm.size());
    for (std::size_t i = 0; i < works.size(); ++i) {
      works[i].wait(host());
      EXPECT_TRUE(works[i].done());
      double wanted = 0;
      for (int rank = 0; rank < comm.size(); ++rank) {
        wanted += value(rank + static_cast<int>(i), kElements - 1);
      }
      EXPECT_EQ(xs[i].values().back(), wanted);
    }
  });
}

TEST_P(Conformance, SplitsByColorAndOrdersByKey) {
  run([](Communicator& comm) {
    const int color = comm.rank() % 2;
    const auto part = comm.split(color, -comm.rank(), "half");
    ASSERT_NE(part, nullptr);
    const int members = (comm.size() + 1 - color) / 2;
    EXPECT_EQ(part->size(), members);
    EXPECT_EQ(part->rank(), members - 1 - comm.rank() / 2);
    EXPECT_EQ(part->axis(), "half");
    Elements x(DType::kI32, {static_cast<double>(comm.rank())});
    part->run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
    double wanted = 0;
    for (int rank = color; rank < comm.size(); rank += 2) {
      wanted += rank;
    }
    EXPECT_EQ(x.values()[0], wanted);
    EXPECT_EQ(comm.split(-1, 0, "none"), nullptr);
  });
}

// Subgroups are made repeatedly, and also of groups.
TEST_P(Conformance, SubgroupsLeaveTheOthersAlone) {
  run([](Communicator& comm) {
    for (int round = 0; round < 3; ++round) {
      std::vector<int> ranks;
      for (int rank = comm.size() - 1; rank >= comm.size() / 2; --rank) {
        ranks.push_back(rank);
      }
      Elements x(DType::kF32, {1.0});
      const auto group = comm.subgroup(ranks, "upper");
      ASSERT_EQ(group != nullptr, comm.rank() >= comm.size() / 2);
      if (group != nullptr) {
        EXPECT_EQ(group->rank(), comm.size() - 1 - comm.rank());
        const int only[] = {0};
        const auto alone = group->subgroup(only, "alone");
        EXPECT_EQ(alone != nullptr, group->rank() == 0);
        group->run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
      }
      EXPECT_EQ(x.values()[0],
                group == nullptr ? 1.0 : static_cast<double>(ranks.size()));
    }
  });
}

// Both halves run their own collectives and those that span them.
TEST_P(Conformance, CommunicatorsDoNotWaitForOneAnother) {
  run([](Communicator& comm) {
    const auto part = comm.split(comm.rank() % 2, 0, "half");
    Elements a(DType::kF32, {1.0});
    Elements b(DType::kF32, {1.0});
    const AllReduce in_all{.y = a.tensor(), .x = a.tensor()};
    const AllReduce in_part{.y = b.tensor(), .x = b.tensor()};
    // The halves start the two in different orders.
    const bool first = comm.rank() % 2 == 0;
    const Work one =
        first ? comm.start(host(), in_all) : part->start(host(), in_part);
    const Work two =
        first ? part->start(host(), in_part) : comm.start(host(), in_all);
    one.wait(host());
    two.wait(host());
    EXPECT_EQ(a.values()[0], comm.size());
    EXPECT_EQ(b.values()[0], part->size());
  });
}

TEST_P(Conformance, CountsCallsAndBytesByAxisAndKind) {
  run([](Communicator& comm) {
    Elements x = Elements::blank(DType::kF32, 10);
    comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
    comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
    comm.run(host(), Barrier{});
    EXPECT_EQ(comm.traffic().of("world", Kind::kAllReduce),
              (Traffic::Count{.calls = 2, .bytes = 80}));
    const auto group = comm.split(0, 0, "tensor");
    group->run(host(), Broadcast{.x = x.tensor()});
    EXPECT_EQ(comm.traffic().of("tensor", Kind::kBroadcast),
              (Traffic::Count{.calls = 1, .bytes = 40}));
    EXPECT_EQ(comm.traffic().of("world", Kind::kBroadcast), Traffic::Count{});
  });
}

// Runs every algorithm that the back end has, on sizes that the ranks do not
// divide.
TEST_P(Conformance, GivesTheSameByEveryAlgorithm) {
  run([](Communicator& comm) {
    for (const Algorithm algorithm : {Algorithm::kRoot,
                                      Algorithm::kAllToAll,
                                      Algorithm::kRing,
                                      Algorithm::kChain,
                                      Algorithm::kHalvingDoubling,
                                      Algorithm::kTree}) {
      for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI64}) {
        for (const std::int64_t n : {0, 1, 7, 5003}) {
          SCOPED_TRACE(
              fmt::format("{}, {} {}", name_of(algorithm), n, name_of(dtype)));
          const CollectiveOptions how{.algorithm = algorithm};
          Elements x(dtype, values_of(comm.rank(), n));
          const AllReduce all{.y = x.tensor(), .x = x.tensor(), .how = how};
          if (comm.supports(all)) {
            comm.run(host(), all);
            EXPECT_EQ(x.values(), reduced(Reduction::kSum, comm.size(), n));
          }
          Elements shared(dtype, values_of(comm.rank(), n));
          const int root = comm.size() - 1;
          const Broadcast one{.x = shared.tensor(), .root = root, .how = how};
          if (comm.supports(one)) {
            comm.run(host(), one);
            EXPECT_EQ(shared.values(), values_of(root, n));
          }
        }
      }
    }
  });
}

TEST_P(Conformance, SaysWhatItSupports) {
  run([](Communicator& comm) {
    Elements x = Elements::blank(DType::kF32, 4);
    for (const Algorithm algorithm : {Algorithm::kAutomatic,
                                      Algorithm::kDirect,
                                      Algorithm::kRoot,
                                      Algorithm::kAllToAll,
                                      Algorithm::kRing,
                                      Algorithm::kChain,
                                      Algorithm::kHalvingDoubling,
                                      Algorithm::kTree}) {
      const AllReduce op{
          .y = x.tensor(), .x = x.tensor(), .how = {.algorithm = algorithm}};
      if (comm.supports(op)) {
        EXPECT_NO_THROW(comm.run(host(), op)) << name_of(algorithm);
      } else {
        EXPECT_THROW(comm.run(host(), op), Unsupported) << name_of(algorithm);
      }
    }
    EXPECT_TRUE(comm.supports(AllReduce{.y = x.tensor(), .x = x.tensor()}));
  });
}

TEST_P(Conformance, RefusesWhatOneRankCanSeeIsWrong) {
  run([](Communicator& comm) {
    Elements x = Elements::blank(DType::kF32, 4);
    Elements y = Elements::blank(DType::kF32, 5);
    Elements z = Elements::blank(DType::kI32, 4);
    EXPECT_THROW(comm.run(host(), AllReduce{.y = y.tensor(), .x = x.tensor()}),
                 Error);
    EXPECT_THROW(comm.run(host(), AllReduce{.y = z.tensor(), .x = x.tensor()}),
                 Error);
    EXPECT_THROW(
        comm.run(host(), Broadcast{.x = x.tensor(), .root = comm.size()}),
        Error);
    EXPECT_THROW(comm.run(host(), Send{.x = x.tensor(), .to = -1}), Error);
    EXPECT_THROW(comm.run(host(), Recv{.y = x.tensor(), .from = 0, .tag = -1}),
                 Error);
    EXPECT_THROW(comm.run(host(), AllGather{.y = x.tensor(), .x = y.tensor()}),
                 Error);
  });
}

TEST_P(Conformance, NamesTheRanksThatCalledDifferentThings) {
  if (GetParam().ranks == 1) {
    return;
  }
  run([](Communicator& comm) {
    Elements x = Elements::blank(DType::kF32, 400);
    try {
      if (comm.rank() == 1) {
        comm.run(host(), Broadcast{.x = x.tensor()});
      } else {
        comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
      }
      ADD_FAILURE() << "nothing thrown";
    } catch (const Mismatch& error) {
      EXPECT_NE(std::string(error.what()).find("rank 1: broadcast"),
                std::string::npos)
          << error.what();
      EXPECT_NE(std::string(error.what()).find("all_reduce"),
                std::string::npos);
    }
  });
}

TEST_P(Conformance, NamesTheRanksWhoseSizesOrTypesDiffer) {
  if (GetParam().ranks == 1) {
    return;
  }
  run([](Communicator& comm) {
    Elements x =
        Elements::blank(comm.rank() == 1 ? DType::kI32 : DType::kF32, 4);
    EXPECT_THROW(comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()}),
                 Mismatch);
  });
  run([](Communicator& comm) {
    Elements x = Elements::blank(DType::kF32, 1000 + comm.rank());
    EXPECT_THROW(comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()}),
                 Mismatch);
  });
}

TEST_P(Conformance, ARankThatDoesNotComeEndsTheWaitWithATable) {
  if (GetParam().ranks == 1) {
    return;
  }
  options_.timeout_seconds = 0.3;
  run([](Communicator& comm) {
    if (comm.rank() == 1) {
      return;
    }
    Elements x = Elements::blank(DType::kF32, 4);
    try {
      comm.run(host(), AllReduce{.y = x.tensor(), .x = x.tensor()});
      ADD_FAILURE() << "nothing thrown";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("rank 1: DID NOT ARRIVE"), std::string::npos) << text;
      EXPECT_NE(text.find("all_reduce"), std::string::npos) << text;
    }
  });
}

TEST_P(Conformance, AMessageThatNobodyAnswersTimesOut) {
  options_.timeout_seconds = 0.3;
  run([](Communicator& comm) {
    Elements x = Elements::blank(DType::kF32, 4);
    const int peer = (comm.rank() + 1) % comm.size();
    EXPECT_THROW(
        comm.run(host(), Recv{.y = x.tensor(), .from = peer, .tag = 8}),
        Timeout);
  });
}

}  // namespace
}  // namespace dure::comm
