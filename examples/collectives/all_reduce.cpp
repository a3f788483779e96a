// All-reduce: all ranks get the sum. Within a group, the other ranks keep their
// values.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short
using dure::comm::AllReduce;

int main() {
  return run(4, [](Communicator& comm) {
    std::vector<float> x(4, 1.0F);
    const Tensor matrix = tensor_of(x, {2, 2});
    const int members[] = {2, 3};
    const auto group = comm.subgroup(members, "pair");

    show(comm, "before", matrix);
    if (group != nullptr) {
      group->run(host(), AllReduce{.y = matrix, .x = matrix});
    }
    show(comm, "after all_reduce within the group [2, 3]", matrix);

    x.assign(4, 1.0F);
    comm.run(host(), AllReduce{.y = matrix, .x = matrix});
    show(comm, "ones again, after all_reduce of all", matrix);
    if (group != nullptr) {
      group->run(host(), AllReduce{.y = matrix, .x = matrix});
    }
    show(comm, "and then within the group", matrix);
  });
}
