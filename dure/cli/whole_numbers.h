// Whole numbers of the command line that are too large to be held.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

// Every option of the command and of those below it that takes a whole number
// refuses one beyond 64 bits: CLI11 takes the largest that it can hold instead.
void refuse_overflow(CLI::App& app);

}  // namespace dure::cli
