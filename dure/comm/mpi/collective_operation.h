// A collective, which compares its headers if asked or needed and then runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/comm/agreement.h"
#include "dure/comm/mpi/operation.h"
#include "dure/comm/mpi/procedure.h"

namespace dure::comm {

class CollectiveOperation final : public Operation {
 public:
  // Which side tells the flight recorder when it is done.
  enum class Recorded : std::uint8_t { kByCaller, kHere };

  CollectiveOperation(std::shared_ptr<MpiEngine> engine,
                      std::shared_ptr<Channel> channel,
                      Request request,
                      Recorded recorded);

  bool advance() override;
  void abandon() noexcept override;
  std::string describe() const override;

 protected:
  void record(FlightRecorder::State state) override;

 private:
  void post_headers();
  bool headers_here();

  Request request_;
  Recorded recorded_;
  std::vector<Header> headers_;  // the peers'
  Header header_;
  MPI_Request exchange_ = MPI_REQUEST_NULL;
  std::unique_ptr<Procedure> procedure_;
  bool compared_;
};

}  // namespace dure::comm
