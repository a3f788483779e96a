#include "dure/comm/mpi/world.h"

#include "dure/comm/mpi/mpi_communicator.h"

namespace dure::comm {

bool built_with_mpi() {
  return true;
}

MpiWorld::MpiWorld(MpiThreads threads)
    : engine_(std::make_shared<MpiEngine>(threads)) {}

MpiWorld::~MpiWorld() {
  engine_->leave();
}

const MpiFacts& MpiWorld::facts() const {
  return engine_->facts();
}

std::unique_ptr<Communicator> MpiWorld::communicator(const Options& options) {
  return MpiCommunicator::make_world(engine_, options);
}

void MpiWorld::finish() {
  const auto last = communicator({});
  Stream host = host_stream();
  last->run(host, Barrier{});
  engine_->finish();
}

void MpiWorld::abort(const std::string& message, int exit_code) {
  engine_->abort(message, exit_code);
}

}  // namespace dure::comm
