// Barrier: no rank passes before all have come.
#include <chrono>
#include <cstdio>
#include <thread>

#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short

int main() {
  return run(4, [](Communicator& comm) {
    if (comm.rank() == 0) {
      for (int i = 1; i <= 4; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        std::printf("rank 0 works, part %d\n", i);
      }
      std::printf("rank 0 comes to the barrier\n");
    }
    comm.run(host(), dure::comm::Barrier{});
    show_text(comm, "after", "has passed");
  });
}
