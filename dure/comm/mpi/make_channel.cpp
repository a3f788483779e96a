#include "dure/comm/mpi/make_channel.h"

#include <fmt/core.h>
#include <utility>

namespace dure::comm {

MakeWorld::MakeWorld(std::shared_ptr<MpiEngine> engine,
                     std::shared_ptr<Channel> channel,
                     MPI_Comm from)
    : Operation(std::move(engine), std::move(channel), Order::kAlone),
      from_(from) {}

bool MakeWorld::advance() {
  Channel& made = *channel();
  if (!posted_) {
    posted_ = true;
    DURE_MPI(MPI_Comm_idup(from_, &made.data, &data_));
    DURE_MPI(MPI_Comm_idup(from_, &made.messages, &messages_));
  }
  int data_done = 0;
  int messages_done = 0;
  DURE_MPI(MPI_Test(&data_, &data_done, MPI_STATUS_IGNORE));
  DURE_MPI(MPI_Test(&messages_, &messages_done, MPI_STATUS_IGNORE));
  return data_done != 0 && messages_done != 0;
}

std::string MakeWorld::describe() const {
  return "a communicator of all ranks";
}

MakeSubgroup::MakeSubgroup(std::shared_ptr<MpiEngine> engine,
                           std::shared_ptr<Channel> channel,
                           MPI_Comm from,
                           std::vector<int> members)
    : Operation(std::move(engine), std::move(channel), Order::kAlone),
      from_(from),
      members_(std::move(members)) {}

bool MakeSubgroup::advance() {
  MPI_Group all = MPI_GROUP_NULL;
  MPI_Group some = MPI_GROUP_NULL;
  DURE_MPI(MPI_Comm_group(from_, &all));
  DURE_MPI(MPI_Group_incl(
      all, static_cast<int>(members_.size()), members_.data(), &some));
  Channel& made = *channel();
  DURE_MPI(MPI_Comm_create_group(from_, some, 0, &made.data));
  DURE_MPI(MPI_Comm_create_group(from_, some, 1, &made.messages));
  DURE_MPI(MPI_Group_free(&some));
  DURE_MPI(MPI_Group_free(&all));
  return true;
}

std::string MakeSubgroup::describe() const {
  return fmt::format("a communicator of {} ranks", members_.size());
}

}  // namespace dure::comm
