// Reduce-scatter: each rank gets its part of the sum.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short

int main() {
  return run(4, [](Communicator& comm) {
    const std::int64_t r = comm.rank();
    std::vector<std::int64_t> x = {1 * r, 10 * r, 100 * r, 1000 * r};
    std::vector<std::int64_t> y(1);
    show(comm, "before reduce_scatter", tensor_of(x));
    comm.run(host(),
             dure::comm::ReduceScatter{.y = tensor_of(y), .x = tensor_of(x)});
    show(comm, "after", tensor_of(y));
  });
}
