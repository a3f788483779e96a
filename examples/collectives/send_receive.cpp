// Messages: one that waits, one that does not, and many at once.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short
using dure::comm::Message;
using dure::comm::Recv;
using dure::comm::Send;
using dure::comm::Work;

namespace {

void blocking(Communicator& comm) {
  std::vector<float> x(4, 0.0F);
  if (comm.rank() == 0) {
    x = {1, 2, 3, 4};
    comm.run(host(), Send{.x = tensor_of(x, {2, 2}), .to = 1});
  } else if (comm.rank() == 1) {
    comm.run(host(), Recv{.y = tensor_of(x, {2, 2}), .from = 0});
  }
  show(comm, "rank 0 has sent to rank 1", tensor_of(x, {2, 2}));
}

// start() returns at once: there is time for something else until wait().
void non_blocking(Communicator& comm) {
  std::vector<float> x = {comm.rank() == 0 ? 1.0F : 0.0F};
  std::vector<Work> works;
  if (comm.rank() == 0) {
    for (int to = 1; to < comm.size(); ++to) {
      works.push_back(comm.start(host(), Send{.x = tensor_of(x), .to = to}));
    }
  } else {
    works.push_back(comm.start(host(), Recv{.y = tensor_of(x), .from = 0}));
  }
  for (const Work& work : works) {
    work.wait(host());
  }
  show(comm, "rank 0 has sent to all, without waiting", tensor_of(x));
}

// One after the other, each would wait for its neighbour's receive for ever.
void grouped(Communicator& comm) {
  std::vector<float> mine = {static_cast<float>(comm.rank())};
  std::vector<float> theirs(1);
  const Message both[] = {
      Send{.x = tensor_of(mine), .to = (comm.rank() + 1) % comm.size()},
      Recv{.y = tensor_of(theirs),
           .from = (comm.rank() + comm.size() - 1) % comm.size()}};
  comm.start_messages(host(), both).wait(host());
  show(comm, "all have sent to the next in a ring", tensor_of(theirs));
}

}  // namespace

int main() {
  return run(4, [](Communicator& comm) {
    blocking(comm);
    non_blocking(comm);
    grouped(comm);
  });
}
