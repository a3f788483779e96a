#include "dure/parallel/pipeline/replay.h"

#include <algorithm>
#include <fmt/core.h>
#include <optional>
#include <string>
#include <utility>

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

using Moment = std::optional<double>;

// The messages from a stage to a neighbour, by micro-batch.
struct Edge {
  std::vector<Moment> sent;
  std::vector<Moment> posted;
  std::vector<int> order;  // in which they were sent
};

// The passes that a stage has done, by micro-batch.
struct Stage {
  std::vector<bool> forward;
  std::vector<bool> input;
  Edge down;  // to the next stage
  Edge up;    // to the one before
};

struct Rank {
  std::size_t next = 0;
  double now = 0;
  bool sending = false;  // its last action's output
  double busy = 0;
  int held = 0;
  int peak = 0;
  std::vector<Span> spans;
};

bool goes_back(Pass pass) {
  return pass == Pass::kBackward || pass == Pass::kInputGradient;
}

// Runs each rank as far as the others' messages allow.
class Replayer {
 public:
  Replayer(const ScheduleOptions& options,
           const std::vector<Program>& programs,
           const TimeOf& time_of,
           double message_seconds)
      : options_(options),
        programs_(programs),
        time_of_(time_of),
        message_(message_seconds),
        ranks_(programs.size()) {
    const std::vector<Moment> never(options.micro_batches);
    const std::vector<bool> none(options.micro_batches);
    const Edge edge = {.sent = never, .posted = never, .order = {}};
    stages_.assign(static_cast<std::size_t>(options.ranks) * options.chunks,
                   {.forward = none, .input = none, .down = edge, .up = edge});
  }

  void run() {
    std::vector<int> to_do;
    for (int rank = 0; rank < options_.ranks; ++rank) {
      post_receive(rank, 0, 0);
      to_do.push_back(rank);
    }
    while (!to_do.empty()) {
      const int rank = to_do.back();
      to_do.pop_back();
      if (advance(rank)) {  // its neighbours may be able to go on
        to_do.push_back((rank + 1) % options_.ranks);
        to_do.push_back((rank + options_.ranks - 1) % options_.ranks);
      }
    }
    check_finished();
  }

  Replay result() && {
    Replay replay;
    for (Rank& rank : ranks_) {
      if (!rank.spans.empty()) {
        const double end = rank.spans.back().end;
        replay.makespan = std::max(replay.makespan, end);
        replay.period = std::max(replay.period, end - rank.spans.front().start);
      }
      replay.peak_in_flight.push_back(rank.peak);
    }
    for (int rank = 0; rank < options_.ranks; ++rank) {
      replay.bubble.push_back(replay.period - ranks_[rank].busy);
      replay.weight_versions.push_back(weight_staleness(options_, rank) + 1);
      replay.spans.push_back(std::move(ranks_[rank].spans));
    }
    return replay;
  }

 private:
  bool advance(int rank) {
    bool moved = false;
    while (ranks_[rank].sending ? finish_send(rank) : run_next(rank)) {
      moved = true;
    }
    return moved;
  }

  bool run_next(int r) {
    Rank& rank = ranks_[r];
    if (rank.next == programs_[r].size()) {
      return false;
    }
    const Action& action = programs_[r][rank.next];
    const Moment ready = input_ready(r, action);
    if (!ready) {
      return false;
    }
    const double start = std::max(rank.now, *ready);
    const double end = start + time_of_(r, action);
    rank.spans.push_back({.action = action, .start = start, .end = end});
    rank.busy += end - start;
    rank.now = end;
    rank.next += 1;
    post_receive(r, rank.next, start);
    record(r, action);
    return true;
  }

  // The edge by which an action's input comes from another rank, if it does.
  Edge* input_of(int rank, const Action& action) {
    const int stage = stage_of(options_, rank, action.chunk);
    const bool forward = action.pass == Pass::kForward;
    const int from = forward ? stage - 1 : stage + 1;
    return is_elsewhere(rank, action, from)
               ? &(forward ? stages_[from].down : stages_[from].up)
               : nullptr;
  }

  Edge* output_of(int rank, const Action& action) {
    const int stage = stage_of(options_, rank, action.chunk);
    const bool forward = action.pass == Pass::kForward;
    return is_elsewhere(rank, action, forward ? stage + 1 : stage - 1)
               ? &(forward ? stages_[stage].down : stages_[stage].up)
               : nullptr;
  }

  bool is_elsewhere(int rank, const Action& action, int stage) const {
    return (action.pass == Pass::kForward || goes_back(action.pass)) &&
           stage >= 0 && stage < static_cast<int>(stages_.size()) &&
           place_of(options_, stage).rank != rank;
  }

  void post_receive(int rank, std::size_t index, double time) {
    if (index < programs_[rank].size()) {
      const Action& action = programs_[rank][index];
      check_action(rank, action);
      if (Edge* const edge = input_of(rank, action)) {
        edge->posted[action.micro_batch] = time;
      }
    }
  }

  void check_action(int rank, const Action& action) const {
    DURE_CHECK(
        action.chunk >= 0 && action.chunk < options_.chunks &&
            action.micro_batch >= 0 &&
            action.micro_batch < options_.micro_batches,
        "wanted actions of {} chunks and {} micro-batches, rank {} has {}",
        options_.chunks,
        options_.micro_batches,
        rank,
        text_of(action, 2));
  }

  // Nothing if the input is still to be made.
  Moment input_ready(int rank, const Action& action) {
    if (const Edge* const edge = input_of(rank, action)) {
      return has_own(rank, action) ? arrival(*edge, action.micro_batch)
                                   : std::nullopt;
    }
    return has_own(rank, action) ? Moment(0) : std::nullopt;
  }

  Moment arrival(const Edge& edge, int micro_batch) const {
    const Moment sent = edge.sent[micro_batch];
    const Moment posted = edge.posted[micro_batch];
    return sent && posted ? Moment(std::max(*sent, *posted) + message_)
                          : std::nullopt;
  }

  // Whether the rank itself has done the action that this one follows.
  bool has_own(int rank, const Action& action) const {
    const int s = stage_of(options_, rank, action.chunk);
    const int n = action.micro_batch;
    const int stages = static_cast<int>(stages_.size());
    const auto is_here = [&](int stage) {
      return stage >= 0 && stage < stages &&
             place_of(options_, stage).rank == rank;
    };
    switch (action.pass) {
      case Pass::kForward:
        return !is_here(s - 1) || stages_[s - 1].forward[n];
      case Pass::kBackward:
      case Pass::kInputGradient:
        return stages_[s].forward[n] &&
               (!is_here(s + 1) || stages_[s + 1].input[n]);
      case Pass::kWeightGradient:
        return stages_[s].input[n];
      case Pass::kUpdate:
        return true;
    }
    return true;
  }

  void record(int r, const Action& action) {
    Rank& rank = ranks_[r];
    Stage& stage = stages_[stage_of(options_, r, action.chunk)];
    if (action.pass == Pass::kForward) {
      stage.forward[action.micro_batch] = true;
      rank.held += 1;
      rank.peak = std::max(rank.peak, rank.held);
    } else if (action.pass != Pass::kUpdate) {
      rank.held -= action.pass == Pass::kInputGradient ? 0 : 1;
      stage.input[action.micro_batch] = true;
    }
    rank.sending = output_of(r, action) != nullptr;
  }

  // Waits until few enough messages are in flight, then sends.
  bool finish_send(int r) {
    Rank& rank = ranks_[r];
    const Action& action = programs_[r][rank.next - 1];
    Edge& edge = *output_of(r, action);
    if (edge.order.size() >= kPendingSends) {
      const int oldest = edge.order[edge.order.size() - kPendingSends];
      const Moment over = arrival(edge, oldest);
      if (!over) {
        return false;
      }
      rank.now = std::max(rank.now, *over);
    }
    edge.sent[action.micro_batch] = rank.now;
    edge.order.push_back(action.micro_batch);
    rank.sending = false;
    return true;
  }

  void check_finished() const {
    std::string waiting;
    for (int r = 0; r < options_.ranks; ++r) {
      const Rank& rank = ranks_[r];
      const std::size_t at = rank.sending ? rank.next - 1 : rank.next;
      if (at < programs_[r].size()) {
        waiting +=
            fmt::format("{}rank {}{}{}",
                        waiting.empty() ? "" : ", ",
                        r,
                        rank.sending ? " to send what it has of " : " at ",
                        text_of(programs_[r][at], options_.chunks));
      }
    }
    DURE_CHECK(waiting.empty(),
               "the pipeline's programs wait for one another forever: {}",
               waiting);
  }

  const ScheduleOptions& options_;
  const std::vector<Program>& programs_;
  const TimeOf& time_of_;
  const double message_;
  std::vector<Rank> ranks_;
  std::vector<Stage> stages_;
};

}  // namespace

Replay replay(const ScheduleOptions& options,
              const std::vector<Program>& programs,
              const TimeOf& time_of,
              double message_seconds) {
  DURE_CHECK(static_cast<int>(programs.size()) == options.ranks,
             "wanted a program for each of {} stages, got {}",
             options.ranks,
             programs.size());
  Replayer replayer(options, programs, time_of, message_seconds);
  replayer.run();
  return std::move(replayer).result();
}

Replay replay(const ScheduleOptions& options, const PassTimes& times) {
  const double chunks = options.chunks;
  const TimeOf time_of = [&](int, const Action& action) {
    switch (action.pass) {
      case Pass::kForward:
        return times.forward / chunks;
      case Pass::kBackward:
        return times.backward / chunks;
      case Pass::kInputGradient:
        return times.input / chunks;
      case Pass::kWeightGradient:
        return times.weight / chunks;
      case Pass::kUpdate:
        return times.update;
    }
    return 0.0;
  };
  return replay(options, programs_of(options), time_of, times.message);
}

}  // namespace dure::parallel
