// What a launcher tells its processes, by environment variables.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace dure::launch {

inline constexpr const char* kSlurm = "Slurm's srun";

using Environment = std::map<std::string, std::string>;

struct Launcher {
  std::string name;  // "Open MPI's mpirun", "Slurm's srun", ...
  int rank = 0;
  int world = 1;
  int local_rank = 0;
  bool speaks_mpi = true;  // torchrun does not
  bool operator==(const Launcher&) const = default;
};

// Nothing where the process was started by hand. mpirun's own variables come
// first: inside a batch job those of Slurm are there as well. Throws UsageError
// where a variable is not the number that it should be.
std::optional<Launcher> launcher_of(const Environment& environment);

// Throws UsageError where MPI counts other ranks than the launcher started:
// each process would run alone, N times the same.
void check_world(const Launcher& launcher, int mpi_ranks);

}  // namespace dure::launch
