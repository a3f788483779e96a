// The executor of every pipeline schedule: runs a rank's program.
//
// Streams go from stage to stage: a message for each stream if the next stage
// is on a neighbour on the pipe axis, a move if it is another chunk of this
// rank. The receive of an action is posted when the action before it begins, so
// that messages overlap with computation. A send goes on during the rank's next
// actions, and its memory lives until it is done. At most kPendingSends are in
// flight on an edge, from a stage to the next or back: before another, the
// oldest is waited for. Nothing depends on timing, neither any order nor
// memory. replay() follows the same rules, so it knows whether a program hangs.
//
// If the stream is whole on all tensor ranks, each sends its part of the rows
// to the rank at its place in the other stage, and those gather them [1,
// section 4.1]. If the stream is cut already, each sends what it has.
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
#include "dure/parallel/pipeline/stage_module.h"
#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

// The pipe axis as one of its ranks sees it: references to what the rank owns.
struct PipeAxis {
  Stream* stream = nullptr;
  Arena* arena = nullptr;
  comm::Communicator* ranks = nullptr;  // one a stage, in their order
  TensorAxis tensor;                    // for gathering rows
};

class Executor {
 public:
  // `options` say which stages each rank has.
  Executor(const PipeAxis& axis,
           const ScheduleOptions& options,
           Boundaries boundaries);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs all actions, in order. Collective over the pipe and tensor axes. When
  // it returns no message is in flight; if it throws, it throws on all ranks.
  void run(std::span<const Action> program, StageModule& work);

 private:
  // The way from one stage to a neighbour.
  struct Edge {
    int from = 0;
    int to = 0;
    bool operator<(const Edge& other) const {
      return std::tie(from, to) < std::tie(other.from, other.to);
    }
    // Messages between two ranks on different edges, and those of an edge's
    // different streams, do not wait for one another.
    int tag(StreamName stream) const {
      const int edge = 2 * from + (to > from ? 0 : 1);
      return edge * static_cast<int>(kStreamNames) + static_cast<int>(stream);
    }
  };
  // A stream that is being sent or received.
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

  void run_all(std::span<const Action> program, StageModule& work);

  // This tensor rank's part of the rows that all tensor ranks hold.
  Tensor own_part(Tensor stream) const;

  const std::vector<StreamSpec>& boundary(const Edge& edge) const;

  void post(const Action& action, const StageModule& work);
  Streams take(const Action& action);
  Streams receive();
  void gather_rows(Tensor stream);
  void give(const Action& action, Streams streams);
  void send(const Edge& edge, Streams streams);
  void settle(std::deque<Message>& sent, std::size_t most);
  void run_action(const Action& action, StageModule& work);
  void record(const Action& action, const Event& start) const;

  PipeAxis axis_;
  ScheduleOptions options_;
  Boundaries boundaries_;
  std::map<Edge, std::deque<Message>> sent_;
  std::map<Edge, std::deque<Streams>> handed_over_;  // local edges
  std::deque<Message> incoming_;  // of the posted actions, in order
};

}  // namespace dure::parallel
