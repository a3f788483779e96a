#include "dure/parallel/pipeline/executor.h"

#include <algorithm>
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
  return pass == Pass::kBackward || pass == Pass::kInputGradient;
}

}  // namespace

Executor::Executor(const PipeAxis& axis,
                   const ScheduleOptions& options,
                   Boundaries boundaries)
    : axis_(axis), options_(options), boundaries_(std::move(boundaries)) {
  DURE_CHECK(axis.ranks->size() == options.ranks,
             "a schedule of {} ranks does not fit a pipe axis of {}",
             options.ranks,
             axis.ranks->size());
  DURE_CHECK(std::ssize(boundaries_) == options.ranks * options.chunks - 1,
             "wanted what passes between {} stages, got {} boundaries",
             options.ranks * options.chunks,
             boundaries_.size());
}

const std::vector<StreamSpec>& Executor::boundary(const Edge& edge) const {
  return boundaries_[std::min(edge.from, edge.to)];
}

std::optional<Executor::Edge> Executor::input_of(const Action& action) const {
  const int stage = stage_of(options_, axis_.ranks->rank(), action.chunk);
  const int last = options_.ranks * options_.chunks - 1;
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
  const int last = options_.ranks * options_.chunks - 1;
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
  return stream.rows(comm::offset_of(rows, rank), rows[rank]);
}

void Executor::post(const Action& action, const StageModule& work) {
  const std::optional<Edge> edge = input_of(action);
  if (!edge || is_local(*edge)) {
    return;
  }
  Message& incoming = incoming_.emplace_back();
  for (const StreamSpec& spec : boundary(*edge)) {
    const std::int64_t rows = work.rows(action.micro_batch, spec.name);
    Travelling& stream = incoming.emplace_back();
    stream.name = spec.name;
    stream.memory =
        axis_.arena->tensor({axis_.tensor.stream_rows(rows), spec.columns},
                            Category::kActivations,
                            spec.dtype);
    stream.work = comm::TracedWork(*axis_.stream,
                                   *axis_.ranks,
                                   "recv stream",
                                   comm::Recv{.y = own_part(stream.memory),
                                              .from = peer_of(edge->from),
                                              .tag = edge->tag(spec.name)});
    stream.memory.used_until(stream.work.event());
  }
}

Streams Executor::take(const Action& action) {
  const std::optional<Edge> edge = input_of(action);
  if (!edge) {
    return {};
  }
  if (!is_local(*edge)) {
    return receive();
  }
  std::deque<Streams>& all = handed_over_[*edge];
  DURE_CHECK(!all.empty(),
             "a pipeline's program takes what no action before it made: {}",
             text_of(action, options_.chunks));
  Streams streams = std::move(all.front());
  all.pop_front();
  return streams;
}

// Receives what the current action posted first.
Streams Executor::receive() {
  Streams streams;
  for (Travelling& stream : incoming_.front()) {
    stream.work.wait();
    if (axis_.tensor.rows == Rows::kWhole) {
      gather_rows(stream.memory);
    }
    streams[stream.name] = std::move(stream.memory);
  }
  incoming_.pop_front();
  return streams;
}

void Executor::gather_rows(Tensor stream) {
  const auto [rows, columns] = stream.dims<2>("stream");
  comm::Counts counts = comm::even_counts(rows, axis_.tensor.ranks->size());
  for (std::int64_t& count : counts) {
    count *= columns;
  }
  comm::run_traced(
      *axis_.stream,
      *axis_.tensor.ranks,
      "all_gather stream",
      comm::AllGather{
          .y = stream, .x = own_part(stream), .counts = std::move(counts)});
}

void Executor::give(const Action& action, Streams streams) {
  const std::optional<Edge> edge = output_of(action);
  if (!edge) {
    return;
  }
  if (is_local(*edge)) {
    handed_over_[*edge].push_back(std::move(streams));
  } else {
    send(*edge, std::move(streams));
  }
}

void Executor::send(const Edge& edge, Streams streams) {
  std::deque<Message>& all = sent_[edge];
  settle(all, kPendingSends - 1);
  Message& sent = all.emplace_back();
  for (const StreamSpec& spec : boundary(edge)) {
    Travelling& stream = sent.emplace_back();
    stream.memory = std::move(streams[spec.name]);
    stream.work = comm::TracedWork(*axis_.stream,
                                   *axis_.ranks,
                                   "send stream",
                                   comm::Send{.x = own_part(stream.memory),
                                              .to = peer_of(edge.to),
                                              .tag = edge.tag(spec.name)});
    stream.memory.used_until(stream.work.event());
  }
}

void Executor::settle(std::deque<Message>& sent, std::size_t most) {
  while (sent.size() > most) {
    for (Travelling& stream : sent.front()) {
      stream.work.wait();
    }
    sent.pop_front();
  }
}

void Executor::run(std::span<const Action> program, StageModule& work) {
  comm::or_abandon(*axis_.ranks, [&] { run_all(program, work); });
}

void Executor::run_all(std::span<const Action> program, StageModule& work) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (i == 0) {
      post(program[0], work);
    }
    if (i + 1 < program.size()) {
      post(program[i + 1], work);
    }
    run_action(program[i], work);
  }
  for (auto& [edge, all] : sent_) {
    settle(all, 0);
  }
}

void Executor::run_action(const Action& action, StageModule& work) {
  Streams streams = take(action);
  const Event start = axis_.stream->mark();
  switch (action.pass) {
    case Pass::kForward:
      streams =
          work.forward(action.chunk, action.micro_batch, std::move(streams));
      break;
    case Pass::kBackward:
      streams =
          work.backward(action.chunk, action.micro_batch, std::move(streams));
      break;
    case Pass::kInputGradient:
      streams = work.backward_input(
          action.chunk, action.micro_batch, std::move(streams));
      break;
    case Pass::kWeightGradient:
      work.backward_weights(action.chunk, action.micro_batch);
      break;
    case Pass::kUpdate:
      work.update(action.micro_batch);
      break;
  }
  record(action, start);
  give(action, std::move(streams));
}

void Executor::record(const Action& action, const Event& start) const {
  Trace* const trace = axis_.stream->trace();
  if (trace == nullptr) {
    return;
  }
  axis_.stream->trace_since(
      start,
      {.name = trace->keep(text_of(action, options_.chunks)),
       .row = TraceRow::kPipeline});
}

}  // namespace dure::parallel
