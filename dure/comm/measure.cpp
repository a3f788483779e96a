#include "dure/comm/measure.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "dure/base/arithmetic.h"
#include "dure/base/trace.h"

namespace dure::comm {
namespace {

// The tensors of one row, and its call.
class Case {
 public:
  Case(Communicator& comm, Kind kind, Algorithm algorithm, std::int64_t bytes)
      : comm_(comm),
        kind_(kind),
        how_{.algorithm = algorithm},
        elements_(bytes / static_cast<std::int64_t>(sizeof(float))),
        x_(static_cast<std::size_t>(elements_)),
        y_(static_cast<std::size_t>(elements_)) {}

  bool supported() {
    return with_op([this](const auto& op) { return comm_.supports(op); });
  }
  void call() {
    with_op([this](const auto& op) {
      comm_.run(host_, op);
      return true;
    });
  }

 private:
  Tensor whole(std::vector<float>& values) const {
    return Tensor(values.data(), {elements_});
  }
  Tensor part(std::vector<float>& values) const {
    const Counts counts = even_counts(elements_, comm_.size());
    return Tensor(values.data(), {counts[comm_.rank()]});
  }
  // Every rank's x must have the same size, and y is as large: whole parts.
  Tensor divided(std::vector<float>& values) const {
    return Tensor(values.data(), {elements_ / comm_.size() * comm_.size()});
  }

  template <typename Use>
  bool with_op(const Use& use) {
    switch (kind_) {
      case Kind::kBroadcast:
        return use(Broadcast{.x = whole(x_), .how = how_});
      case Kind::kReduce:
        return use(Reduce{.y = whole(y_), .x = whole(x_), .how = how_});
      case Kind::kAllReduce:  // in place, as gradients are
        return use(AllReduce{.y = whole(x_), .x = whole(x_), .how = how_});
      case Kind::kScatter:
        return use(Scatter{.y = part(y_), .x = whole(x_), .how = how_});
      case Kind::kGather:
        return use(Gather{.y = whole(y_), .x = part(x_), .how = how_});
      case Kind::kAllGather:
        return use(AllGather{.y = whole(y_), .x = part(x_), .how = how_});
      case Kind::kReduceScatter:
        return use(ReduceScatter{.y = part(y_), .x = whole(x_), .how = how_});
      case Kind::kAllToAll:
        return use(AllToAll{.y = divided(y_), .x = divided(x_), .how = how_});
      case Kind::kBarrier:
        return use(Barrier{});
      case Kind::kSend:
      case Kind::kRecv:
        return exchange(use);
    }
    return false;
  }

  // Rank 0 sends to the last one.
  template <typename Use>
  bool exchange(const Use& use) {
    if (comm_.size() == 1) {
      return false;
    }
    if (comm_.rank() == 0) {
      return use(Send{.x = whole(x_), .to = comm_.size() - 1});
    }
    return comm_.rank() == comm_.size() - 1
               ? use(Recv{.y = whole(y_), .from = 0})
               : true;
  }

  Communicator& comm_;
  Stream host_ = host_stream();
  Kind kind_;
  CollectiveOptions how_;
  std::int64_t elements_;
  std::vector<float> x_;
  std::vector<float> y_;
};

// The largest over the ranks.
double slowest(Communicator& comm, Stream& host, double seconds) {
  const Tensor tensor(&seconds, {1});
  comm.run(host,
           AllReduce{.y = tensor, .x = tensor, .reduction = Reduction::kMax});
  return seconds;
}

template <typename Call>
double seconds_of(Communicator& comm, int calls, const Call& call) {
  Stream host = host_stream();
  comm.run(host, Barrier{});
  const double start = monotonic_seconds();
  for (int i = 0; i < calls; ++i) {
    call();
  }
  return slowest(comm, host, (monotonic_seconds() - start) / calls);
}

// All ranks work at once, each on its share of 256 MiB, which no cache holds.
class Memory {
 public:
  explicit Memory(int ranks)
      : from_((std::size_t{256} << 20) / sizeof(float) /
                  static_cast<std::size_t>(ranks),
              1),
        to_(from_.size(), 2) {}

  // Access the system's memcpy, which bypasses the caches at such sizes if that
  // is quicker.
  double copy_rate(Communicator& comm) {
    return rate(comm, [this] {
      std::memcpy(to_.data(), from_.data(), from_.size() * sizeof(float));
    });
  }

  double update_rate(Communicator& comm) {
    return rate(comm, [this] {
      float* const values = to_.data();
      const std::size_t count = to_.size();
      for (std::size_t i = 0; i < count; ++i) {
        values[i] += 1;
      }
    });
  }

 private:
  template <typename Pass>
  double rate(Communicator& comm, const Pass& pass) {
    const auto bytes = static_cast<double>(from_.size() * sizeof(float));
    return bytes * comm.size() / seconds_of(comm, 1, pass);
  }

  std::vector<float> from_;
  std::vector<float> to_;
};

// The number of calls that fit the time of a round; the same on every rank.
int calls_of(Communicator& comm, const MeasureOptions& options, Case& one) {
  one.call();  // pages, threads
  const double seconds = seconds_of(comm, 1, [&] { one.call(); });
  const double round = options.seconds / options.rounds;
  return static_cast<int>(std::clamp(round / seconds, 1.0, 1e6));
}

Measurement measure_case(Communicator& comm,
                         const MeasureOptions& options,
                         Case& one,
                         Memory* memory,
                         MemoryRates& rates) {
  const int calls = calls_of(comm, options, one);
  std::vector<double> seconds;
  std::vector<double> copies;
  std::vector<double> updates;
  for (int round = 0; round < options.rounds; ++round) {
    if (memory != nullptr) {
      copies.push_back(memory->copy_rate(comm));
      updates.push_back(memory->update_rate(comm));
    }
    seconds.push_back(seconds_of(comm, calls, [&] { one.call(); }));
  }
  if (memory != nullptr) {
    rates = {.copy = median(copies), .update = median(updates)};
  }
  const auto [least, most] =
      std::minmax_element(seconds.begin(), seconds.end());
  return {.back_end = comm.back_end(),
          .ranks = comm.size(),
          .seconds = median(seconds),
          .least_seconds = *least,
          .most_seconds = *most};
}

}  // namespace

std::vector<Measurement> measure(Communicator& comm,
                                 const MeasureOptions& options,
                                 Limit limit) {
  std::optional<Memory> memory;
  if (limit == Limit::kYes) {
    memory.emplace(comm.size());
  }
  std::vector<Measurement> rows;
  for (const Kind kind : options.kinds) {
    // A collective that moves nothing has no such limit.
    Memory* const limited =
        memory && kind != Kind::kBarrier ? &*memory : nullptr;
    for (const Algorithm algorithm : options.algorithms) {
      for (const std::int64_t bytes : options.sizes) {
        Case one(comm, kind, algorithm, bytes);
        if (!one.supported()) {
          continue;
        }
        MemoryRates rates;
        Measurement row = measure_case(comm, options, one, limited, rates);
        row.kind = kind;
        row.algorithm = algorithm;
        row.bytes = bytes;
        if (limited != nullptr) {
          row.limit_seconds = limit_seconds(kind, comm.size(), bytes, rates);
        }
        rows.push_back(row);
      }
    }
  }
  return rows;
}

double limit_seconds(Kind kind,
                     int ranks,
                     std::int64_t bytes,
                     const MemoryRates& rates) {
  const auto N = static_cast<double>(ranks);
  const auto S = static_cast<double>(bytes);
  switch (kind) {
    case Kind::kAllReduce:  // reads and writes N S in place
      return N * S / rates.update;
    case Kind::kReduce:  // reads N S, writes S
    case Kind::kReduceScatter:
      return (N + 1) * S / (2 * rates.copy);
    case Kind::kBroadcast:  // reads S (caches may serve the rest), writes N - 1
      return N * S / (2 * rates.copy);
    case Kind::kAllGather:  // reads S, writes N S
      return (N + 1) * S / (2 * rates.copy);
    case Kind::kAllToAll:
      return N * S / rates.copy;
    case Kind::kScatter:
    case Kind::kGather:
    case Kind::kSend:
      return S / rates.copy;
    default:
      return 0;
  }
}

double Measurement::algorithm_bandwidth() const {
  return static_cast<double>(bytes) / seconds;
}

double Measurement::bus_bandwidth() const {
  const double others = static_cast<double>(ranks - 1) / ranks;
  switch (kind) {
    case Kind::kAllReduce:
      return 2 * others * algorithm_bandwidth();
    case Kind::kAllGather:
    case Kind::kReduceScatter:
    case Kind::kAllToAll:
    case Kind::kScatter:
    case Kind::kGather:
      return others * algorithm_bandwidth();
    default:
      return algorithm_bandwidth();
  }
}

double Measurement::share_of_limit() const {
  return limit_seconds / seconds;
}

}  // namespace dure::comm
