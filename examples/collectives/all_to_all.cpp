// All-to-all: part j of rank i becomes part i of rank j: a matrix is
// transposed.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short

int main() {
  return run(4, [](Communicator& comm) {
    std::vector<float> x;
    for (int to = 0; to < comm.size(); ++to) {
      x.push_back(static_cast<float>(10 * comm.rank() + to));
    }
    std::vector<float> y(x.size());
    show(comm, "before all_to_all", tensor_of(x));
    comm.run(host(),
             dure::comm::AllToAll{.y = tensor_of(y), .x = tensor_of(x)});
    show(comm, "after", tensor_of(y));
  });
}
