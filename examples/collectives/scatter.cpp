// Scatter: each rank gets one of the root's parts. Ten values on four ranks are
// cut into 3, 3, 2, 2.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short
using dure::comm::Scatter;

namespace {

void scatter(Communicator& comm, std::int64_t elements) {
  std::vector<float> x;
  for (std::int64_t i = 0; i < elements && comm.rank() == 0; ++i) {
    x.push_back(static_cast<float>(10 * (i + 1)));
  }
  const auto parts = dure::comm::even_counts(elements, comm.size());
  std::vector<float> y(
      static_cast<std::size_t>(parts[static_cast<std::size_t>(comm.rank())]));
  show(comm, "before scatter from rank 0", tensor_of(x));
  comm.run(host(), Scatter{.y = tensor_of(y), .x = tensor_of(x), .root = 0});
  show(comm, "after", tensor_of(y));
}

}  // namespace

int main() {
  return run(4, [](Communicator& comm) {
    scatter(comm, 4);
    scatter(comm, 10);
  });
}
