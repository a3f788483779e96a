// Messages between engines, beside those of their ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "dure/comm/flight_recorder.h"
#include "dure/comm/mpi/mpi_call.h"

namespace dure::comm {

struct Notice {
  enum class Kind : std::uint8_t {
    kAsk,     // what do you do, and has `channel` got to collective `number`?
    kAskAll,  // the same, and more of it
    kAnswer,  // to kAskAll also `text`, of what it does and its last call, and
              // `calls`, the flight recorder
    kAbort,   // this rank has failed with `text`
    kGone,    // this rank has heard of it, and said so
  };

  Kind kind = Kind::kAsk;
  bool arrived = false;  // of kAnswer
  int from = 0;          // a rank of the world
  std::uint64_t channel = 0;
  std::uint64_t number = 0;
  FlightRecorder::Doing doing = {};  // of kAnswer
  std::string text = {};
  std::string calls = {};
};

// Threads: under the engine's lock.
class Control {
 public:
  explicit Control(MPI_Comm world);

  void send(int to, const Notice& notice);
  // Goes on sending, and calls `handle` for each notice that has come.
  void poll(const std::function<void(const Notice&)>& handle);
  bool all_sent() const { return sending_.empty(); }
  void close();

 private:
  struct Sending {
    MPI_Request request = MPI_REQUEST_NULL;
    std::vector<char> bytes;
  };

  void listen();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  std::list<Sending> sending_;
  std::vector<char> inbox_;
  MPI_Request receiving_ = MPI_REQUEST_NULL;
};

}  // namespace dure::comm
