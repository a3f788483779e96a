// A run that fails: mpirun -n 4 comm_mpi_failures CASE. CMakeLists.txt says
// what it must print and how it must end.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "dure/base/files.h"
#include "dure/comm/activity.h"
#include "dure/comm/error.h"
#include "dure/comm/host_testing.h"
#include "dure/comm/mpi/world.h"

namespace dure::comm {
namespace {

using Body = std::function<void(Communicator&)>;

void all_reduce(Communicator& comm, std::int64_t elements) {
  std::vector<float> x(static_cast<std::size_t>(elements), 1.0F);
  const Tensor tensor(x.data(), {elements});
  comm.run(host(), AllReduce{.y = tensor, .x = tensor});
}

// Receives into a buffer that is followed by as many bytes, which nobody may
// change.
void guarded(Communicator& comm,
             std::int64_t bytes,
             const std::function<void(const Tensor&)>& run) {
  std::vector<std::uint8_t> x(static_cast<std::size_t>(2 * bytes),
                              static_cast<std::uint8_t>(comm.rank()));
  std::string said;
  try {
    run(Tensor(x.data(), {bytes}, DType::kU8));
  } catch (const Error& error) {
    said = error.what();
  }
  const bool whole =
      std::all_of(x.begin() + bytes, x.end(), [&](std::uint8_t byte) {
        return byte == comm.rank();
      });
  if (!whole) {
    std::fprintf(stderr, "rank %d: MEMORY OVERWRITTEN\n", comm.rank());
    std::_Exit(0);  // must_fail treats this as no failure
  }
  if (!said.empty()) {
    throw Error(said);
  }
}

void broadcast_of_other_lengths(Communicator& comm, Algorithm algorithm) {
  guarded(comm, comm.rank() == 2 ? 300'000 : 1'000'000, [&](const Tensor& x) {
    comm.run(host(), Broadcast{.x = x, .how = {.algorithm = algorithm}});
  });
}

void sleep_long() {
  std::this_thread::sleep_for(std::chrono::minutes(2));
}

// In each case rank 2 behaves differently.
const std::map<std::string, Body>& cases() {
  static const std::map<std::string, Body> all = {
      {"kinds",
       [](Communicator& comm) {
         comm.rank() == 2 ? comm.run(host(), Barrier{}) : all_reduce(comm, 8);
       }},
      {"sizes",
       [](Communicator& comm) { all_reduce(comm, comm.rank() == 2 ? 7 : 8); }},
      {"lengths",
       [](Communicator& comm) {
         broadcast_of_other_lengths(comm, Algorithm::kAutomatic);
         sleep_long();
       }},
      {"lengths_direct",
       [](Communicator& comm) {
         broadcast_of_other_lengths(comm, Algorithm::kDirect);
         sleep_long();
       }},
      // Computes, but its engine still answers that it has not come.
      {"absent",
       [](Communicator& comm) {
         all_reduce(comm, 3);
         comm.rank() == 2 ? sleep_long() : all_reduce(comm, 8);
       }},
      // Its engine does not answer either.
      {"stopped",
       [](Communicator& comm) {
         all_reduce(comm, 3);
         if (comm.rank() == 2) {
           std::raise(SIGSTOP);
         }
         all_reduce(comm, 8);
       }},
      {"message",
       [](Communicator& comm) {
         if (comm.rank() == 2) {
           float x = 0;
           comm.run(host(), Recv{.y = Tensor(&x, {1}), .from = 1, .tag = 7});
         }
         sleep_long();
       }},
      // The others wait for this rank; a computing rank is ended as well.
      {"throws",
       [](Communicator& comm) {
         if (comm.rank() == 2) {
           throw Error("the disk of rank 2 is full");
         }
         comm.rank() == 1 ? sleep_long() : all_reduce(comm, 8);
       }},
      // Its message is in flight from a rank that waits for it.
      {"abandons",
       [](Communicator& comm) {
         float x = 0;
         if (comm.rank() == 2) {
           const Work work = comm.start(
               host(), Recv{.y = Tensor(&x, {1}), .from = 1, .tag = 7});
           comm.abandon("the disk of rank 2 is full");
           try {
             work.wait(host());
           } catch (const Aborted&) {
             throw Error("the disk of rank 2 is full");
           }
         }
         comm.run(host(), Recv{.y = Tensor(&x, {1}), .from = 2, .tag = 7});
       }},
      // All ranks still talk over a twin.
      {"twin",
       [](Communicator& comm) {
         const auto twin = comm.twin({.timeout_seconds = 20});
         try {
           if (comm.rank() == 2) {
             throw Error("the disk of rank 2 is full");
           }
           all_reduce(comm, 8);
         } catch (const Error& error) {
           comm.abandon(error.what());
           all_reduce(*twin, 8);
           std::fprintf(stderr, "rank %d: over the twin\n", comm.rank());
           throw;
         }
       }},
      {"killed",
       [](Communicator& comm) {
         all_reduce(comm, 3);
         if (comm.rank() == 2) {
           std::raise(SIGKILL);
         }
         all_reduce(comm, 1'000'000);
       }},
      {"stopped_at_work",
       [](Communicator& comm) {
         if (comm.rank() == 2) {
           const Activity saving(comm, "saving step_00000007");
           std::raise(SIGSTOP);
         }
         all_reduce(comm, 8);
       }},
      {"at_work",
       [](Communicator& comm) {
         if (comm.rank() == 2) {
           const Activity saving(comm, "saving step_00000007");
           std::this_thread::sleep_for(std::chrono::seconds(3));
         }
         all_reduce(comm, 8);
       }},
      {"fine", [](Communicator& comm) { all_reduce(comm, 8); }},
  };
  return all;
}

bool compares(const std::string& name) {
  return !name.starts_with("lengths");
}

// Cases that no timeout ends.
bool waits_long(const std::string& name) {
  return name == "throws" || name == "abandons" || name == "twin" ||
         !compares(name);
}

// Shows what the rank that timed out has written about rank 2.
void show_flight_recorder(const std::string& directory) {
  const Path file = Path(directory) / "flight_rank2.jsonl";
  if (std::filesystem::exists(file)) {
    std::fprintf(stderr, "flight_rank2.jsonl: %s", read_file(file).c_str());
  }
}

int run(const std::string& name, const std::string& flight_directory) {
  MpiWorld world;
  if (world.facts().rank == 0 && !flight_directory.empty()) {
    std::filesystem::remove_all(flight_directory);
  }
  try {
    const auto comm =
        world.communicator({.timeout_seconds = waits_long(name) ? 100.0 : 1.0,
                            .check = compares(name) ? Check::kOn : Check::kOff,
                            .say =
                                [](const std::string& text) {
                                  std::fprintf(stderr, "%s\n", text.c_str());
                                },
                            .flight_directory = flight_directory});
    cases().at(name)(*comm);
  } catch (const std::exception& error) {
    std::fprintf(
        stderr, "rank %d: error: %s\n", world.facts().rank, error.what());
    show_flight_recorder(flight_directory);
    world.abort(error.what(), 3);
  }
  world.finish();
  return 0;
}

}  // namespace
}  // namespace dure::comm

int main(int argc, char** argv) {
  return argc < 2 ? 2 : dure::comm::run(argv[1], argc > 2 ? argv[2] : "");
}
