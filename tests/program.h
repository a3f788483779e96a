// Runs the program itself, DURE_BINARY.
#pragma once

#include <cstdio>
#include <string>
#include <sys/wait.h>

namespace dure {

struct Outcome {
  int exit_code = 0;
  std::string text;  // its whole output
};

// Variables that a launcher around the test has set must be cleared.
inline Outcome run(const std::string& before, const std::string& arguments) {
  const std::string command =
      "{ env -u RANK -u WORLD_SIZE -u PMI_RANK -u PMI_SIZE -u SLURM_PROCID "
      "-u SLURM_STEP_NUM_TASKS -u OMPI_COMM_WORLD_RANK "
      "-u OMPI_COMM_WORLD_SIZE -u PMIX_RANK -u PMIX_NAMESPACE " +
      before + " " DURE_BINARY " " + arguments + "; } 2>&1 </dev/null";
  Outcome outcome;
  FILE* const pipe = ::popen(command.c_str(), "r");
  char text[4096];
  while (std::fgets(text, sizeof text, pipe) != nullptr) {
    outcome.text += text;
  }
  outcome.exit_code = WEXITSTATUS(::pclose(pipe));
  return outcome;
}

}  // namespace dure
