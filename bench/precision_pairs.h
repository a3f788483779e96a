// Measurements of each precision beside fp32, in pairs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "bench/spread.h"
#include "dure/base/limits.h"
#include "dure/config/precision.h"

namespace dure::bench {

struct Precision {
  const char* name;
  train::Compute compute;
};
inline constexpr Precision kPrecisions[] = {{"fp32", train::Compute::kFp32},
                                            {"bf16", train::Compute::kBf16},
                                            {"fp16", train::Compute::kFp16}};

// The clock of the time that counts: on one thread that thread's CPU time,
// which leaves out other processes.
inline const clockid_t kWorkClock =
    usable_processors() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;

inline double work_seconds() {
  timespec now{};
  ::clock_gettime(kWorkClock, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

// The seconds of the measurements of a precision, and those of fp32 right
// before each.
struct Pairs {
  std::vector<double> fp32;
  std::vector<double> own;
};

inline void print_row(const char* name,
                      const std::vector<double>& seconds,
                      double tokens,
                      const std::string& beside_fp32) {
  const Spread spread = spread_of(seconds);
  std::printf("| %s | %.2f (%.2f to %.2f) | %.1f | %s |\n",
              name,
              1e3 * spread.median,
              1e3 * spread.least,
              1e3 * spread.most,
              tokens / spread.median,
              beside_fp32.c_str());
}

// Calls seconds(i) for precision i of kPrecisions. A measurement is of so many
// tokens.
template <typename Seconds>
void print_pairs(int rounds, double tokens, const Seconds& seconds) {
  std::array<Pairs, std::size(kPrecisions)> pairs;
  std::vector<double> fp32;
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 1; i < pairs.size(); ++i) {
      pairs[i].fp32.push_back(seconds(0));
      pairs[i].own.push_back(seconds(i));
      fp32.push_back(pairs[i].fp32.back());
    }
  }
  std::printf(
      "| precision | ms | tokens/s | beside fp32's tokens/s |\n"
      "| --- | --- | --- | --- |\n");
  print_row(kPrecisions[0].name, fp32, tokens, "1");
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    print_row(kPrecisions[i].name,
              pairs[i].own,
              tokens,
              ratio_text(pairs[i].fp32, pairs[i].own));
  }
  std::fflush(stdout);
}

// The least time of each operation, by precision.
class OperationTimes {
 public:
  void add(const std::string& name, std::size_t precision, double seconds) {
    auto& times = seconds_.try_emplace(name).first->second;
    double& least = times[precision];
    least = least == 0 ? seconds : std::min(least, seconds);
  }

  void print() const {
    std::printf(
        "| operation | fp32 | bf16 | fp16 |\n| --- | --- | --- | --- |\n");
    for (const auto& [name, times] : seconds_) {
      std::printf("| %s |", name.c_str());
      for (const double seconds : times) {
        std::printf(" %.2f |", 1e3 * seconds);
      }
      std::printf("\n");
    }
    std::fflush(stdout);
  }

 private:
  using Times = std::array<double, std::size(kPrecisions)>;
  std::map<std::string, Times> seconds_;
};

}  // namespace dure::bench
