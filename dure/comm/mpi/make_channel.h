// Operations that make the MPI side of a communicator.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dure/comm/mpi/operation.h"

namespace dure::comm {

// Duplicates an MPI communicator for a channel of all its ranks.
class MakeWorld final : public Operation {
 public:
  MakeWorld(std::shared_ptr<MpiEngine> engine,
            std::shared_ptr<Channel> channel,
            MPI_Comm from);

  bool advance() override;
  void abandon() noexcept override {}
  std::string describe() const override;

 private:
  MPI_Comm from_;
  MPI_Request data_ = MPI_REQUEST_NULL;
  MPI_Request messages_ = MPI_REQUEST_NULL;
  bool posted_ = false;
};

// Makes a communicator of some ranks of another. MPI can't do this without
// blocking; but all members have just exchanged who is one
// (Communicator::split), so each of them is about to do this and nothing else.
class MakeSubgroup final : public Operation {
 public:
  MakeSubgroup(std::shared_ptr<MpiEngine> engine,
               std::shared_ptr<Channel> channel,
               MPI_Comm from,
               std::vector<int> members);

  bool advance() override;
  void abandon() noexcept override {}
  std::string describe() const override;

 private:
  MPI_Comm from_;
  std::vector<int> members_;
};

}  // namespace dure::comm
