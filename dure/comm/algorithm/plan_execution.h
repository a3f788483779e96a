// Carries out one collective by its plan, without ever blocking.
//
//   PlanExecution execution(plan, request, transport, tag);
//   while (!execution.advance()) { ... }
//
// It never blocks, so one thread can run several at once. Partial sums of bf16
// and f16 travel as f32 and are rounded once. An average is divided once, at
// the end, by the rank that has the total, so every rank gets the same bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "dure/comm/algorithm/plan.h"
#include "dure/comm/algorithm/plan_memory.h"
#include "dure/comm/algorithm/transport.h"
#include "dure/comm/collective.h"

namespace dure::comm {

class PlanExecution {
 public:
  // The request is as a back end gets it, of the plan's kind and root. The
  // request, its tensors and the transport outlive this. All ranks use the same
  // tag, which nobody else uses at the time; executions that follow one another
  // may share it. Throws Unsupported for scatter and gather by tree if this
  // rank has to pass on parts whose sizes it was not given.
  PlanExecution(Plan plan,
                const Request& request,
                Transport& transport,
                int tag);
  PlanExecution(const PlanExecution&) = delete;
  PlanExecution& operator=(const PlanExecution&) = delete;
  ~PlanExecution() = default;

  // The bytes needed beside x and y. The caller hands over that memory before
  // the first advance(), 64-byte aligned, and keeps it.
  std::size_t scratch_bytes() const { return memory_.scratch_bytes(); }
  void set_scratch(std::span<std::byte> scratch);

  // Does what can be done now; true when y is whole. Once it is, x may change.
  bool advance();

  const Plan& plan() const { return plan_; }

 private:
  // Where the data of a piece is.
  enum class State : std::uint8_t { kNowhere, kGiven, kSummed, kPlaced };

  struct Arrival {
    int peer;
    Tensor data;
  };

  void begin();
  void post_round();
  void post(const Step& step);
  bool is_empty(const ConstTensor& message) const;
  ConstTensor to_send(const Step& step);
  bool all_arrived();
  void end_round();
  void reduce_arrivals();
  void reduce_here(int piece);
  void reduce_wide(int piece);
  void place(int piece);
  void move_to(int piece, const Tensor& y);
  void finish();

  State& state(int piece) { return states_[piece]; }

  Plan plan_;
  const Request& request_;
  Transport& transport_;
  int tag_;
  PlanMemory memory_;
  bool begun_ = false;
  bool done_ = false;
  std::size_t next_ = 0;       // the first step of the round
  std::size_t round_end_ = 0;  // next_ where none is posted
  std::vector<State> states_;
  std::vector<Transport::Ticket> tickets_;
  std::vector<Arrival> arrivals_;  // of this round, to be reduced
  Pieces arriving_ = {};           // the pieces that they are of
  std::size_t arrivals_bytes_ = 0;
};

}  // namespace dure::comm
