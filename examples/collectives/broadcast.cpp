// Broadcast: all ranks get the root's tensor.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short

int main() {
  return run(4, [](Communicator& comm) {
    std::vector<float> x(4, 0.0F);
    if (comm.rank() == 0) {
      x = {1, 2, 3, 4};
    }
    show(comm, "before broadcast from rank 0", tensor_of(x, {2, 2}));
    comm.run(host(),
             dure::comm::Broadcast{.x = tensor_of(x, {2, 2}), .root = 0});
    show(comm, "after", tensor_of(x, {2, 2}));
  });
}
