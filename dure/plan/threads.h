// The threads of a rank that a configuration wants, while this lives.
#pragma once

#include <cstdint>
#include <omp.h>

namespace dure::plan {

class Threads {
 public:
  // 0: as many as the caller's OpenMP has.
  explicit Threads(std::int64_t wanted) : before_(::omp_get_max_threads()) {
    if (wanted > 0) {
      ::omp_set_num_threads(static_cast<int>(wanted));
    }
  }
  ~Threads() { ::omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace dure::plan
