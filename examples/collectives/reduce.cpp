// Reduce: the root gets the sum, or the largest, of all ranks' values.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short
using dure::comm::Reduce;
using dure::comm::Reduction;

int main() {
  return run(4, [](Communicator& comm) {
    std::vector<float> x(4, static_cast<float>(comm.rank()));  // ones * rank
    show(comm, "before reduce to rank 0", tensor_of(x, {2, 2}));
    for (const auto reduction : {Reduction::kSum, Reduction::kMax}) {
      std::vector<float> y(x);
      comm.run(host(),
               Reduce{.y = tensor_of(y, {2, 2}),
                      .x = tensor_of(x, {2, 2}),
                      .reduction = reduction,
                      .root = 0});
      show(comm,
           std::string("after, ") + name_of(reduction),
           tensor_of(y, {2, 2}));
    }
  });
}
