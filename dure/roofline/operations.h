// Every operation of dure/kernels held against its roofline.
//
// Bytes and flops are those of the operation's cost(): each operand once. The
// roofline is that of this device at this moment: before and after every
// measurement its limits are measured, too (yardstick.h). The share is the
// operation's time at the better limits over its measured time [Williams,
// Waterman and Patterson 2009]. Beyond 1 its operands came from a cache.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dure/base/spread.h"
#include "dure/kernels/op.h"
#include "dure/roofline/problem.h"
#include "dure/roofline/yardstick.h"

namespace dure::roofline {

struct OperationRow {
  ProblemLine line;
  DType type = DType::kF32;
  kernels::Cost cost;
  Spread seconds;  // of one launch
  Spread share;    // of the roofline
};

class OperationMeter {
 public:
  // Medians of so many repetitions of some 5 ms. Throws Error if the build has
  // no such device.
  OperationMeter(Device device, YardstickSize size, int repetitions);

  // The device and its limits.
  std::string description() const { return yardstick_->description(); }

  // Nothing if no operand of the operation has the type.
  std::optional<OperationRow> measure(const ProblemLine& line, DType type);

 private:
  Device device_;
  int repetitions_;
  std::unique_ptr<Yardstick> yardstick_;
};

// A list that the program has: "gpt2_124m".
struct ProblemList {
  const char* name;
  const char* text;
};

// They are the files of problems/, by name.
std::span<const ProblemList> problem_lists();

// The lines of one of them. Throws UsageError, with a suggestion, if there is
// none of that name.
std::vector<ProblemLine> problems_of(const std::string& name);

}  // namespace dure::roofline
