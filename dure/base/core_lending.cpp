#include "dure/base/core_lending.h"

#include <ctime>
#include <sched.h>

namespace dure {

std::int64_t core_time(pthread_t thread) {
  clockid_t clock{};
  timespec time{};
  if (::pthread_getcpuclockid(thread, &clock) != 0 ||
      ::clock_gettime(clock, &time) != 0) {
    return -1;
  }
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

// The system moves a thread that is not running at once when it may no longer
// be on its core, and the thread stays there when it may be anywhere again.
void bring_to_this_core(pthread_t thread) {
  cpu_set_t allowed;
  const int here = ::sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE ||
      ::pthread_getaffinity_np(thread, sizeof allowed, &allowed) != 0 ||
      !CPU_ISSET(here, &allowed)) {
    return;
  }
  cpu_set_t this_one;
  CPU_ZERO(&this_one);
  CPU_SET(here, &this_one);
  ::pthread_setaffinity_np(thread, sizeof this_one, &this_one);
  ::pthread_setaffinity_np(thread, sizeof allowed, &allowed);
}

}  // namespace dure
