// Whole numbers of the command line that are too large.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

// Makes every whole-number option of the command and its subcommands refuse
// numbers beyond 64 bits: CLI11 takes the largest that it can hold instead.
void refuse_overflow(CLI::App& app);

}  // namespace dure::cli
