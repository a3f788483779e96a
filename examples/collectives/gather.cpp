// Gather: the root gets all parts.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short

int main() {
  return run(4, [](Communicator& comm) {
    std::vector<float> x = {static_cast<float>(comm.rank())};
    std::vector<float> y(comm.rank() == 0 ? 4 : 0);
    show(comm, "before gather to rank 0", tensor_of(x));
    comm.run(
        host(),
        dure::comm::Gather{.y = tensor_of(y), .x = tensor_of(x), .root = 0});
    show(comm, "after", tensor_of(y));
  });
}
