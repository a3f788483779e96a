// Compares all_reduce with other libraries' in one run: our ranks as threads,
// Gloo's ring on two threads over loopback TCP, MPI's own MPI_Allreduce on two
// processes.
//
//   comm_bench [--rounds N] [--smoke]
//
// Each size and round measures how fast two threads update memory in place,
// then all_reduce in place, f32, by each in turn. The limit is derived in
// dure/comm/measure.h: for two ranks' all_reduce of S bytes it is 2 S over the
// bytes that both update a second. The program starts itself under mpirun for
// MPI (--mpi) before and after the rest. A library that was not found when
// building is left out.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#ifdef DURE_BENCH_MPI
#include <mpi.h>
#endif
#ifdef DURE_BENCH_GLOO
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/hash_store.h>
#include <gloo/transport/tcp/device.h>
#endif

#include "bench/spread.h"
#include "dure/base/trace.h"
#include "dure/comm/measure.h"
#include "dure/launch/run_ranks.h"

namespace dure::bench {
namespace {

constexpr int kRanks = 2;

struct Options {
  int rounds = 7;
  std::vector<std::int64_t> sizes = {8, 4096, 1 << 20, 64 << 20};
  bool mpi = false;
};

// The number of calls in a round, which takes some tenths of a second.
int calls_of(std::int64_t bytes) {
  return static_cast<int>(
      std::clamp<std::int64_t>((64 << 20) / bytes, 3, 20'000));
}

using Rates = std::map<std::int64_t, std::vector<double>>;  // seconds a call

struct Results {
  Rates limit;
  Rates ours;
  Rates gloo;
  Rates mpi;
};

void measure_ours(const Options& options, std::int64_t bytes, Results& into) {
  launch::run_ranks({.ranks = kRanks}, [&](comm::Communicator& comm) {
    const auto rows = comm::measure(comm,
                                    {.kinds = {comm::Kind::kAllReduce},
                                     .sizes = {bytes},
                                     .seconds = 0.1 * options.rounds,
                                     .rounds = 1},
                                    comm::Limit::kYes);
    if (comm.rank() == 0) {
      into.limit[bytes].push_back(rows[0].limit_seconds);
      into.ours[bytes].push_back(rows[0].seconds);
    }
  });
}

#ifdef DURE_BENCH_GLOO
// One of two ranks, on its own thread.
double gloo_seconds(int rank,
                    gloo::rendezvous::Store& store,
                    std::int64_t bytes) {
  auto device = gloo::transport::tcp::CreateDevice("127.0.0.1");
  auto context = std::make_shared<gloo::rendezvous::Context>(rank, kRanks);
  context->connectFullMesh(store, device);
  std::vector<float> x(static_cast<std::size_t>(bytes) / sizeof(float), 1);
  gloo::AllreduceRingChunked<float> all_reduce(
      context, {x.data()}, static_cast<int>(x.size()));
  all_reduce.run();
  const int calls = std::min(calls_of(bytes), 2000);
  const double start = monotonic_seconds();
  for (int i = 0; i < calls; ++i) {
    all_reduce.run();
  }
  return (monotonic_seconds() - start) / calls;
}

void measure_gloo(std::int64_t bytes, Results& into) {
  gloo::rendezvous::HashStore store;
  std::array<double, kRanks> seconds{};
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < kRanks; ++rank) {
      threads.emplace_back([&, rank] {
        seconds[static_cast<std::size_t>(rank)] =
            gloo_seconds(rank, store, bytes);
      });
    }
  }
  into.gloo[bytes].push_back(*std::max_element(seconds.begin(), seconds.end()));
}
#else
void measure_gloo(std::int64_t /*bytes*/, Results& /*into*/) {}
#endif

#ifdef DURE_BENCH_MPI
// Runs in a process that mpirun has started: prints size and seconds a line.
void print_mpi(const Options& options) {
  MPI_Init(nullptr, nullptr);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (const std::int64_t bytes : options.sizes) {
    const int count = static_cast<int>(bytes / 4);
    std::vector<float> x(static_cast<std::size_t>(count), 1);
    const auto all_reduce = [&] {
      MPI_Allreduce(
          MPI_IN_PLACE, x.data(), count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    };
    all_reduce();
    for (int round = 0; round < options.rounds; ++round) {
      MPI_Barrier(MPI_COMM_WORLD);
      const double start = monotonic_seconds();
      for (int i = 0; i < calls_of(bytes); ++i) {
        all_reduce();
      }
      double seconds = (monotonic_seconds() - start) / calls_of(bytes);
      MPI_Allreduce(
          MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
      if (rank == 0) {
        std::printf("mpi %lld %.9g\n", static_cast<long long>(bytes), seconds);
      }
    }
  }
  MPI_Finalize();
}

void measure_mpi(const std::string& program,
                 const std::string& arguments,
                 Results& into) {
  const std::string command =
      "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
      "mpirun -n 2 " +
      program + " --mpi" + arguments + " 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      ::popen(command.c_str(), "r"), ::pclose);
  long long bytes = 0;
  double seconds = 0;
  while (pipe != nullptr &&
         std::fscanf(pipe.get(), "mpi %lld %lf\n", &bytes, &seconds) == 2) {
    into.mpi[bytes].push_back(seconds);
  }
}
#else
void print_mpi(const Options& /*options*/) {}
void measure_mpi(const std::string& /*program*/,
                 const std::string& /*arguments*/,
                 Results& /*into*/) {}
#endif

std::string cell(const Rates& rates, std::int64_t bytes, double ours) {
  const auto found = rates.find(bytes);
  if (found == rates.end() || found->second.empty()) {
    return "- | -";
  }
  const Spread spread = spread_of(found->second);
  char text[128];
  std::snprintf(text,
                sizeof text,
                "%.2f us (%.2f to %.2f) | %.2f",
                1e6 * spread.median,
                1e6 * spread.least,
                1e6 * spread.most,
                spread.median / ours);
  return text;
}

void print(const Options& options, const Results& results) {
  std::printf(
      "| bytes | Dure, threads | of the limit | Gloo, ring | / Dure | MPI | / "
      "Dure |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const std::int64_t bytes : options.sizes) {
    const Spread ours = spread_of(results.ours.at(bytes));
    const double limit = spread_of(results.limit.at(bytes)).median;
    std::printf("| %lld | %.2f us (%.2f to %.2f) | %.2f | %s | %s |\n",
                static_cast<long long>(bytes),
                1e6 * ours.median,
                1e6 * ours.least,
                1e6 * ours.most,
                limit / ours.median,
                cell(results.gloo, bytes, ours.median).c_str(),
                cell(results.mpi, bytes, ours.median).c_str());
  }
}

void run(const std::string& program, const Options& options, bool smoke) {
  if (options.mpi) {
    return print_mpi(options);
  }
  Results results;
  const std::string arguments = smoke ? " --smoke" : "";
  measure_mpi(program, arguments, results);
  for (int round = 0; round < options.rounds; ++round) {
    for (const std::int64_t bytes : options.sizes) {
      measure_ours(options, bytes, results);
      measure_gloo(bytes, results);
    }
  }
  measure_mpi(program, arguments, results);
  print(options, results);
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  dure::bench::Options options;
  bool smoke = false;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--rounds" && i + 1 < argc) {
      options.rounds = std::atoi(argv[++i]);
    } else if (arg == "--mpi") {
      options.mpi = true;
    } else if (arg == "--smoke") {
      smoke = true;
      options.rounds = 1;
      options.sizes = {8, 4096};
    }
  }
  dure::bench::run(argv[0], options, smoke);
}
