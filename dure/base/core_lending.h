// Lending one's core to a thread of this process that has none.
//
// A thread whose core another program has taken for its turn, some
// milliseconds, may hold up others that wait for it. They have cores: the
// system would move it to one of those sooner or later, but seldom within such
// a time.
#pragma once

#include <cstdint>
#include <pthread.h>

namespace dure {

// Nanoseconds that the thread has had a core for, up to now: they stand still
// while it waits for something, or for a core. Negative: not known.
std::int64_t core_time(pthread_t thread);

// Where the thread may run on the caller's core and waits for one, it waits for
// this one from now on: the caller should be about to sleep. Which cores it may
// use stays as it was.
void bring_to_this_core(pthread_t thread);

}  // namespace dure
