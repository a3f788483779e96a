// Lending one's core to a thread of this process that has none.
//
// When another program takes a thread's core for some milliseconds, the threads
// that wait for this one are held up although they have cores. The system would
// move it to one of their cores, but seldom soon enough.
#pragma once

#include <cstdint>
#include <pthread.h>

namespace dure {

// The nanoseconds for which the thread has had a core. The number stands still
// while the thread waits for something, or for a core; it is negative where it
// is not known.
std::int64_t core_time(pthread_t thread);

// If the thread may run on the caller's core and is waiting for one, it is
// moved to wait for that core. The caller should be about to sleep. The set of
// cores that the thread may use does not change.
void bring_to_this_core(pthread_t thread);

}  // namespace dure
