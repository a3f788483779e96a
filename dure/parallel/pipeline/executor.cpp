#include "dure/parallel/pipeline/executor.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/comm/abandon.h"
#include "dure/parallel/pipeline/replay.h"

namespace dure::parallel {
namespace {

bool goes_forward(Pass pass) {
  return pass == Pass::kForward;
}

bool goes_backward(Pass pass) {
  return pass == Pass::kBackward || pass == Pass::kInput;
}

}  // namespace

Executor::Executor(const PipeAxis& axis,
                   const ScheduleOptions& options,
                   std::int64_t columns)
    : axis_(axis), options_(options), columns_(columns) {
  DURE_CHECK(axis.ranks->size() == options.stages,
             "a schedule of ",
             options.stages,
             " ranks does not fit a pipe axis of ",
             axis.ranks->size());
}

std::optional<Executor::Edge> Executor::input_of(const Action& action) const {
  const int stage = stage_of(options_, axis_.ranks->rank(), action.chunk);
  const int last = options_.stages * options_.chunks - 1;
  if (goes_forward(action.pass) && stage > 0) {
    return Edge{stage - 1, stage};
  }
  if (goes_backward(action.pass) && stage < last) {
    return Edge{stage + 1, stage};
  }
  return std::nullopt;
}

std::optional<Executor::Edge> Executor::output_of(const Action& action) const {
  const int stage = stage_of(options_, axis_.ranks->rank(), action.chunk);
  const int last = options_.stages * options_.chunks - 1;
  if (goes_forward(action.pass) && stage < last) {
    return Edge{stage, stage + 1};
  }
  if (goes_backward(action.pass) && stage > 0) {
    return Edge{stage, stage - 1};
  }
  return std::nullopt;
}

bool Executor::is_local(const Edge& edge) const {
  return peer_of(edge.from) == peer_of(edge.to);
}

Tensor Executor::own_part(Tensor stream) const {
  if (axis_.tensor.rows == Rows::kCut) {
    return stream;
  }
  const int rank = axis_.tensor.ranks->rank();
  const comm::Counts rows =
      comm::even_counts(stream.shape()[0], axis_.tensor.ranks->size());
  return stream.rows(comm::offset_of(rows, rank),
                     rows[static_cast<std::size_t>(rank)]);
}

void Executor::post(const Action& action, std::int64_t rows) {
  const std::optional<Edge> edge = input_of(action);
  if (!edge || is_local(*edge)) {
    return;
  }
  Incoming incoming;
  incoming.whole =
      axis_.arena->tensor({axis_.tensor.stream_rows(rows), columns_},
                          Category::kActivations,
                          axis_.dtype);
  incoming.work = comm::TracedWork(*axis_.stream,
                                   *axis_.ranks,
                                   "recv stream",
                                   comm::Recv{.y = own_part(incoming.whole),
                                              .from = peer_of(edge->from),
                                              .tag = edge->tag()});
  incoming.whole.used_until(incoming.work.event());
  incoming_.push_back(std::move(incoming));
}

OwnedTensor Executor::take(const Action& action) {
  const std::optional<Edge> edge = input_of(action);
  if (!edge) {
    return {};
  }
  if (!is_local(*edge)) {
    return receive();
  }
  std::deque<OwnedTensor>& streams = handed_over_[*edge];
  DURE_CHECK(!streams.empty(),
             "a pipeline's program takes what no action before it made: ",
             text_of(action, options_.chunks));
  OwnedTensor stream = std::move(streams.front());
  streams.pop_front();
  return stream;
}

// What the action at hand posted first.
OwnedTensor Executor::receive() {
  Incoming& incoming = incoming_.front();
  incoming.work.wait();
  OwnedTensor stream = std::move(incoming.whole);
  incoming_.pop_front();
  if (axis_.tensor.rows == Rows::kWhole) {
    comm::Counts counts =
        comm::even_counts(stream.shape()[0], axis_.tensor.ranks->size());
    for (std::int64_t& count : counts) {
      count *= columns_;
    }
    comm::run_traced(
        *axis_.stream,
        *axis_.tensor.ranks,
        "all_gather stream",
        comm::AllGather{
            .y = stream, .x = own_part(stream), .counts = std::move(counts)});
  }
  return stream;
}

void Executor::give(const Action& action, OwnedTensor stream) {
  const std::optional<Edge> edge = output_of(action);
  if (!edge) {
    return;
  }
  if (is_local(*edge)) {
    handed_over_[*edge].push_back(std::move(stream));
  } else {
    send(*edge, std::move(stream));
  }
}

void Executor::send(const Edge& edge, OwnedTensor stream) {
  std::deque<Sent>& all = sent_[edge];
  settle(all, kPendingSends - 1);
  Sent sent;
  const Tensor part = own_part(stream);
  sent.memory = std::move(stream);
  sent.work = comm::TracedWork(
      *axis_.stream,
      *axis_.ranks,
      "send stream",
      comm::Send{.x = part, .to = peer_of(edge.to), .tag = edge.tag()});
  sent.memory.used_until(sent.work.event());
  all.push_back(std::move(sent));
}

void Executor::settle(std::deque<Sent>& sent, std::size_t most) {
  while (sent.size() > most) {
    sent.front().work.wait();
    sent.pop_front();
  }
}

void Executor::run(std::span<const Action> program, StageWork& work) {
  comm::or_abandon(*axis_.ranks, [&] { run_all(program, work); });
}

void Executor::run_all(std::span<const Action> program, StageWork& work) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (i == 0) {
      post(program[0], work.rows(program[0].micro_batch));
    }
    if (i + 1 < program.size()) {
      post(program[i + 1], work.rows(program[i + 1].micro_batch));
    }
    run_action(program[i], work);
  }
  for (auto& [edge, all] : sent_) {
    settle(all, 0);
  }
}

void Executor::run_action(const Action& action, StageWork& work) {
  OwnedTensor stream = take(action);
  const double start = axis_.stream->now();
  switch (action.pass) {
    case Pass::kForward:
      stream =
          work.forward(action.chunk, action.micro_batch, std::move(stream));
      break;
    case Pass::kBackward:
      stream =
          work.backward(action.chunk, action.micro_batch, std::move(stream));
      break;
    case Pass::kInput:
      stream = work.backward_input(
          action.chunk, action.micro_batch, std::move(stream));
      break;
    case Pass::kWeight:
      work.backward_weights(action.chunk, action.micro_batch);
      break;
    case Pass::kUpdate:
      work.update(action.micro_batch);
      break;
  }
  record(action, start);
  give(action, std::move(stream));
}

void Executor::record(const Action& action, double start_seconds) const {
  Trace* const trace = axis_.stream->trace();
  if (trace == nullptr) {
    return;
  }
  trace->record({.name = trace->keep(text_of(action, options_.chunks)),
                 .start_seconds = start_seconds,
                 .seconds = axis_.stream->now() - start_seconds,
                 .row = TraceRow::kPipeline});
}

}  // namespace dure::parallel
