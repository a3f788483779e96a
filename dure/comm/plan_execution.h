// Carries out one collective by its plan, without ever blocking.
//
//   PlanExecution execution(plan, request, transport, tag);
//   while (!execution.advance()) { ... }
//
// So one thread can keep several under way. Sums of bf16 and f16 travel as f32
// as long as they are partial, and are rounded once; an average is divided
// once, at the end, by whoever has the total: every rank gets the same bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "dure/comm/collective.h"
#include "dure/comm/plan.h"
#include "dure/comm/plan_memory.h"
#include "dure/comm/transport.h"

namespace dure::comm {

class PlanExecution {
 public:
  // The request is as a back end gets it, of the plan's kind and root; it, its
  // tensors and the transport outlive this. All ranks use the same tag, which
  // nobody else uses meanwhile, but executions that follow one another may
  // share. Throws Unsupported: of scatter and gather by tree, where this rank
  // has to pass on parts whose sizes it was not given.
  PlanExecution(Plan plan,
                const Request& request,
                Transport& transport,
                int tag);
  PlanExecution(const PlanExecution&) = delete;
  PlanExecution& operator=(const PlanExecution&) = delete;
  ~PlanExecution() = default;

  // The memory that it needs beside x and y, to be given before the first
  // advance(), 64-byte aligned, and kept.
  std::size_t scratch_bytes() const { return memory_.scratch_bytes(); }
  void set_scratch(std::span<std::byte> scratch);

  // Does what can be done now; true when y is whole. Once it is, x may change.
  bool advance();

  const Plan& plan() const { return plan_; }

 private:
  // Where a piece is.
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
  Pieces arriving_ = {};           // what they are of
  std::size_t arrivals_bytes_ = 0;
};

}  // namespace dure::comm
