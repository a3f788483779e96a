// Every command adds itself to the application: one file a command.
//
// A command is a subcommand with options, an example in its footer, and a
// callback that runs it. It prints facts to standard output and lets Error and
// UsageError propagate: main() turns them into one line and an exit code, and
// finds out whether the output arrived (output.h).
//
//   void add_greet(CLI::App& app) {
//     auto options = std::make_shared<Options>();
//     CLI::App* command = app.add_subcommand("greet", "Says hello");
//     command->add_option("NAME", options->name, "Whom to greet")->required();
//     command->footer("Example:\n  dure greet world");
//     command->callback([options] { greet(*options); });
//   }
//
// A new command is its file, its line here, its line in main.cpp's table, and
// its line in CMakeLists.txt.
#pragma once

#include "dure/base/interrupt.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

using AddCommand = void(CLI::App& app);

void add_bench(CLI::App& app);
void add_bench_operations(CLI::App& bench);  // add_bench adds it
void add_checkpoint(CLI::App& app);
void add_convert(CLI::App& app);
void add_docs(CLI::App& app);
void add_doctor(CLI::App& app);
void add_eval(CLI::App& app);
void add_generate(CLI::App& app);
void add_mesh(CLI::App& app);
void add_parity(CLI::App& app);
void add_plan(CLI::App& app);
void add_plan_layout(CLI::App& plan);    // add_plan adds it
void add_plan_devices(CLI::App& plan);   // add_plan adds it
void add_plan_profile(CLI::App& plan);   // add_plan adds it
void add_plan_schedule(CLI::App& plan);  // add_plan adds it
void add_tokenizer(CLI::App& app);
void add_preprocess(CLI::App& app);
void add_report(CLI::App& app);

// A signal during training makes the request, and the command saves.
void add_train(CLI::App& app, const StopRequest& stop);

}  // namespace dure::cli
