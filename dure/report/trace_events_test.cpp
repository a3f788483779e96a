#include "dure/report/trace_events.h"

#include <filesystem>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/trace.h"

namespace dure::report {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& text) {
  try {
    read_trace(text, "trace.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// A trace of one event with these fields.
std::string with(const std::string& fields) {
  return "{\"traceEvents\":[\n{\"ph\":\"X\"," + fields + "}\n]}";
}

TEST(ReadTrace, GivesBackWhatARunWrote) {
  Trace trace;
  trace.record({.name = "matmul", .start_seconds = 1, .seconds = 0.25});
  trace.record({.name = "matmul", .start_seconds = 2, .seconds = 0.25});
  trace.record({.name = "send",
                .start_seconds = 1,
                .seconds = 0.5,
                .row = TraceRow::kCommunication});
  trace.record({.name = "B3.1",
                .start_seconds = 1,
                .seconds = 1.5,
                .row = TraceRow::kPipeline});
  trace.record({.name = "step 12",
                .start_seconds = 0.5,
                .seconds = 3,
                .row = TraceRow::kStep});
  const Path path = std::filesystem::temp_directory_path() /
                    ("dure_trace_" + std::to_string(::getpid()));
  const std::string ranks[] = {Trace().to_json(0), trace.to_json(1)};
  write_trace(path, ranks);
  const TraceEvents events = read_trace(read_file(path), "trace.json");
  std::filesystem::remove(path);
  ASSERT_EQ(events.actions.size(), 1);
  EXPECT_EQ(events.actions[0].rank, 1);
  EXPECT_EQ(
      events.actions[0].action,
      (parallel::Action{
          .pass = parallel::Pass::kBackward, .chunk = 1, .micro_batch = 3}));
  EXPECT_DOUBLE_EQ(events.actions[0].start, 1);
  EXPECT_DOUBLE_EQ(events.actions[0].seconds, 1.5);
  ASSERT_EQ(events.steps.size(), 1);
  EXPECT_EQ(events.steps[0].step, 12);
  EXPECT_DOUBLE_EQ(events.steps[0].seconds, 3);
  ASSERT_EQ(events.operations.size(), 2);
  const OperationSum& products = events.operations.at({"compute", "matmul"});
  EXPECT_EQ(products.count, 2);
  EXPECT_DOUBLE_EQ(products.seconds, 0.5);
}

TEST(ReadTrace, PassesOverWhatItDoesNotKnow) {
  const TraceEvents events = read_trace(
      R"({"displayTimeUnit": "ms", "other": [{"ph": "X"}], "traceEvents": [
        {"ph": "M", "name": "process_name", "args": {"ph": "X"}},
        {"ph": "X", "name": "a", "pid": 0, "ts": 1, "dur": 2, "id": null,
         "args": {"name": "b", "pid": -1, "more": [{"dur": 7}]}}]})",
      "trace.json");
  ASSERT_EQ(events.operations.size(), 1);
  EXPECT_DOUBLE_EQ(events.operations.at({"", "a"}).seconds, 2e-6);
}

TEST(ReadTrace, SaysWhatIsWrongWhere) {
  EXPECT_THAT(error_of("{\"traceEvents\":[\n{\"ph\":\n]}"),
              StartsWith("trace.json:3: not JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("wanted an object with a list"));
  EXPECT_THAT(error_of("{\"traceEvents\":{}}"), HasSubstr("traceEvents"));
  EXPECT_THAT(error_of(with("\"name\":\"a\",\"pid\":0.5,\"ts\":1,\"dur\":1")),
              StartsWith("trace.json: event 1 (a): wanted a rank"));
  EXPECT_THAT(error_of(with("\"name\":\"a\",\"pid\":0,\"ts\":1")),
              HasSubstr("wanted microseconds"));
  for (const char* name :
       {"F", "X1", "F1.", "F1.2.3", "F-1", "", "F99999999999"}) {
    EXPECT_THAT(
        error_of(with(fmt::format(
            "\"cat\":\"pipeline\",\"name\":\"{}\",\"pid\":0,\"ts\":1,\"dur\":1",
            name))),
        HasSubstr("wanted the name of an action"))
        << name;
  }
  EXPECT_THAT(error_of(with("\"cat\":\"step\",\"name\":\"step x\",\"pid\":0,"
                            "\"ts\":1,\"dur\":1")),
              HasSubstr("wanted a name such as \"step 12\""));
}

}  // namespace
}  // namespace dure::report
