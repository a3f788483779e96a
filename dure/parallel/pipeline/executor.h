// The executor of every pipeline schedule: runs a rank's program.
//
// What an action takes and what it makes goes from stage to stage: to a rank
// beside this one on the pipe axis as a message a stream, to another chunk of
// this rank as it is. The receive of an action is posted when the action before
// it begins, so that messages overlap with computation; a send goes on while
// the rank does the next thing, and what it sends lives until then. Of one
// edge, from a stage to the next or back, kPendingSends are on their way at
// most: before another, the oldest is waited for. Nothing depends on timing,
// neither the order of anything nor memory; replay() knows the same rules, and
// so whether a program hangs.
//
// Where tensor ranks have the same stream, each sends its part of the rows to
// the one at its place in the other stage, and those gather them [1, section
// 4.1]; where the stream is cut already, each sends what it has.
//
// [1] Narayanan et al. 2021, arXiv:2104.04473.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/parallel/pipeline/replay.h"
#include "dure/parallel/pipeline/schedule.h"
#include "dure/parallel/pipeline/stage_work.h"
#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

// The pipe axis as a rank of it sees it; references to what the rank owns.
struct PipeAxis {
  Stream* stream = nullptr;
  Arena* arena = nullptr;
  comm::Communicator* ranks = nullptr;  // one a stage, in their order
  TensorAxis tensor;                    // for gathering rows
};

class Executor {
 public:
  // `options` say how stages lie on the ranks.
  Executor(const PipeAxis& axis,
           const ScheduleOptions& options,
           Boundaries boundaries);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // All actions, in order. Collective over the pipe and tensor axes. When it
  // returns nothing is on its way; if it throws, all ranks do.
  void run(std::span<const Action> program, StageWork& work);

 private:
  // From one stage to a neighbour.
  struct Edge {
    int from = 0;
    int to = 0;
    bool operator<(const Edge& other) const {
      return std::tie(from, to) < std::tie(other.from, other.to);
    }
    // Messages of different edges, and of different streams of one, between
    // two ranks do not wait for one another.
    int tag(StreamName stream) const {
      const int edge = 2 * from + (to > from ? 0 : 1);
      return edge * static_cast<int>(kStreamNames) + static_cast<int>(stream);
    }
  };
  // A stream that comes or goes.
  struct Travelling {
    StreamName name = StreamName::kResidual;
    OwnedTensor memory;
    comm::TracedWork work;
  };
  using Message = std::vector<Travelling>;

  std::optional<Edge> input_of(const Action& action) const;
  std::optional<Edge> output_of(const Action& action) const;
  int peer_of(int stage) const { return place_of(options_, stage).rank; }
  bool is_local(const Edge& edge) const;

  void run_all(std::span<const Action> program, StageWork& work);

  // This tensor rank's part of what the tensor ranks have alike.
  Tensor own_part(Tensor stream) const;

  const std::vector<StreamSpec>& boundary(const Edge& edge) const;

  void post(const Action& action, const StageWork& work);
  Streams take(const Action& action);
  Streams receive();
  void gather_rows(Tensor stream);
  void give(const Action& action, Streams streams);
  void send(const Edge& edge, Streams streams);
  void settle(std::deque<Message>& sent, std::size_t most);
  void run_action(const Action& action, StageWork& work);
  void record(const Action& action, double start_seconds) const;

  PipeAxis axis_;
  ScheduleOptions options_;
  Boundaries boundaries_;
  std::map<Edge, std::deque<Message>> sent_;
  std::map<Edge, std::deque<Streams>> handed_over_;  // local edges
  std::deque<Message> incoming_;  // of the actions at hand, in their order
};

}  // namespace dure::parallel
