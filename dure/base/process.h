// Settings that a program makes once, before all else, so that a failure is an
// error with a text and not a signal that ends it without a word.
#pragma once

#include <string>

namespace dure {

// - Standard input, output and error that are closed become descriptors that
//   can't be read or written, so that no file is opened under their numbers.
// - Writing to a pipe that nobody reads, and past a limit on the size of files,
//   are failures of write(): EPIPE, EFBIG.
// - Reading a mapped file that was cut short meanwhile (SIGBUS) names it on
//   standard error and ends the process, with an exit code of 1.
void prepare_process();

// Whether a line can be written now or within so many milliseconds. A full
// pipe, or a terminal that was stopped (Ctrl-S), takes none.
bool can_write(int descriptor, int milliseconds);

// The system's name of this machine, its first 255 characters.
std::string host_name();

}  // namespace dure
