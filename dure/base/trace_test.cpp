#include "dure/base/trace.h"

#include <gmock/gmock.h>
#include <string>

#include <gtest/gtest.h>

namespace dure {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kMicrosecond = 1e-6;

TraceEvent event(const char* name, double start, double end, TraceRow row) {
  return {.name = name,
          .start_seconds = start * kMicrosecond,
          .seconds = (end - start) * kMicrosecond,
          .row = row};
}

// The line of the event with this name.
std::string line_of(const std::string& json, const std::string& name) {
  const std::size_t at = json.find("{\"name\":\"" + name + "\"");
  return at == std::string::npos ? ""
                                 : json.substr(at, json.find('\n', at) - at);
}

TEST(Trace, HasALineForEachRow) {
  Trace trace;
  trace.record(event("matmul", 1, 3, TraceRow::kCompute));
  const std::string json = trace.to_json(5);
  EXPECT_THAT(json, HasSubstr("\"name\":\"rank 5\""));
  EXPECT_THAT(json,
              HasSubstr("\"tid\":1,\"args\":{\"name\":\"communication\"}"));
  EXPECT_THAT(line_of(json, "matmul"),
              HasSubstr("\"ph\":\"X\",\"pid\":5,\"tid\":0,\"ts\":1.000,"
                        "\"dur\":2.000"));
}

// Events are recorded as they end. An event that begins before another ends has
// a line of its own; one that begins right then has not.
TEST(Trace, PutsWhatOverlapsOnLinesOfItsOwn) {
  Trace trace;
  trace.record(event("first", 1, 4, TraceRow::kCommunication));
  trace.record(event("third", 4, 5, TraceRow::kCommunication));
  trace.record(event("second", 2, 6, TraceRow::kCommunication));
  trace.record(event("matmul", 2, 3, TraceRow::kCompute));
  const std::string json = trace.to_json(0);
  EXPECT_THAT(line_of(json, "matmul"), HasSubstr("\"tid\":0,"));
  EXPECT_THAT(line_of(json, "first"), HasSubstr("\"tid\":1,"));
  EXPECT_THAT(line_of(json, "third"), HasSubstr("\"tid\":1,"));
  EXPECT_THAT(line_of(json, "second"), HasSubstr("\"tid\":2,"));
  EXPECT_THAT(json,
              HasSubstr("\"tid\":2,\"args\":{\"name\":\"communication\"}"));
  EXPECT_THAT(json, Not(HasSubstr("\"tid\":3,")));
}

// Months after a machine's start, a double holds seconds only to some
// nanoseconds. An event still ends where the next begins.
TEST(Trace, KeepsNeighboursApartLateInTheLifeOfAMachine) {
  Trace trace;
  const double months = 3e7;
  double now = months;
  for (int i = 0; i < 1000; ++i) {
    const double end = now + 1.234567e-6;
    trace.record({.name = "add", .start_seconds = now, .seconds = end - now});
    now = end;
  }
  EXPECT_THAT(trace.to_json(0), Not(HasSubstr("\"tid\":2,")));
}

TEST(Trace, CountsCommunicationThatIsHidden) {
  Trace trace;
  trace.record(event("matmul", 0, 3, TraceRow::kCompute));
  trace.record(event("matmul", 5, 6, TraceRow::kCompute));
  trace.record(event("first", 1, 4, TraceRow::kCommunication));
  trace.record(event("second", 2, 7, TraceRow::kCommunication));
  const Trace::Overlap overlap = trace.overlap();
  EXPECT_DOUBLE_EQ(overlap.communication, 6 * kMicrosecond);
  EXPECT_DOUBLE_EQ(overlap.hidden, 3 * kMicrosecond);
}

}  // namespace
}  // namespace dure
