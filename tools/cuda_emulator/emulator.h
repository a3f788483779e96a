// The controls of the emulated device, for tests and for the environment.
//
// The emulator stands in the place of libcudart and libcublasLt. It makes every
// choice that CUDA leaves open (which stream runs, which block and thread is
// next, what fresh memory holds) by random numbers of one seed, so that a seed
// reproduces a run. Sources: the CUDA C++ Programming Guide, chapters
// "Asynchronous Concurrent Execution" and "Memory Consistency"; NVIDIA's
// headers for types and prototypes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cuda_emulator {

// How work of streams is run.
enum class Mode : std::uint8_t {
  // Nothing runs before the host waits, and then only what must, in an order
  // drawn from the seed among those that events allow.
  kSeeded,
  // Work runs when it is enqueued, on a ThreadSanitizer fiber of its stream;
  // events are the only edges between streams. The default under that
  // sanitizer.
  kEager,
};

// The starting point of every choice. The environment variable
// CUDA_EMULATOR_SEED gives the first one; else it is 0. The devices forget
// nothing else.
void set_seed(std::uint64_t seed);
std::uint64_t seed();

Mode mode();

// How many devices there are: CUDA_EMULATOR_DEVICES, or 1. With -1 there is not
// even a driver.
int device_count();

// What the devices say is their compute capability, ten times the major number
// and the minor one: CUDA_EMULATOR_CAPABILITY, or 90. Their limits are those
// of 90.
int capability();

// The calls of functions that can fail, since the program began.
std::int64_t calls();
// Lets the call with this number fail, counted as calls() does; -1: none does.
// A call that gives something back fails after it has done so: it may tell of
// an error of earlier work.
void fail_call(std::int64_t number);
// The name of the function that failed last by fail_call().
std::string failed_function();
// Notes the names of the calls from now on, until they are asked for.
void record_calls();
std::vector<std::string> recorded_calls();

// What the program has been given and has not given back, by its kind, and how
// much of it.
std::map<std::string, std::int64_t> held();

// The report of the last fault of a kernel: what happened, and the kernel, its
// block and its thread; empty if there was none.
std::string last_fault();
// Forgets a fault: CUDA needs a new process for that.
void forget_fault();

// Says that a block of device memory is no longer held by its owner from this
// point of the stream's work on. What is there is overwritten then; the address
// sanitizer reports an access to it until begin_use().
void end_use(void* stream, void* first, std::size_t bytes);
void begin_use(void* stream, void* first, std::size_t bytes);

}  // namespace cuda_emulator
