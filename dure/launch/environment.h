// What a launcher tells its processes, by environment variables.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace dure::launch {

inline constexpr const char* kSlurm = "Slurm's srun";

// PMIx gives a process its rank, not how many there are.
inline constexpr int kNotTold = 0;

using Environment = std::map<std::string, std::string>;

struct Launcher {
  std::string name;  // "Open MPI's mpirun", "Slurm's srun", ...
  int rank = 0;
  int world = 1;  // kNotTold: only MPI knows
  int local_rank = 0;
  bool speaks_mpi = true;  // torchrun does not
  bool operator==(const Launcher&) const = default;
};

// The launcher nearest to this process; nothing where it was started by hand.
// mpirun's own variables come before Slurm's, which are there as well inside a
// job, and are those of mpirun's daemons; but where the PMIx server is Slurm's
// (PMIX_NAMESPACE), Slurm is the nearest, and mpirun's are left over from where
// the job was submitted. A launcher is one where all that it sets is there;
// what is empty is not. Of common names (RANK, WORLD_SIZE) that are no rank of
// a world nothing follows. Throws UsageError where another variable is not the
// number that it should be, or where two of one launcher's do not agree.
std::optional<Launcher> launcher_of(const Environment& environment);

// OMP_NUM_THREADS, of which a list's first number counts: what scripts of
// clusters say how many threads a process is to have. Nothing where it is not
// there, or no number of at least 1.
std::optional<int> threads_wanted(const Environment& environment);

// Throws UsageError where MPI counts other ranks than the launcher started:
// each process would run alone, N times the same. Of kNotTold any world is
// right that has the launcher's rank.
void check_world(const Launcher& launcher, int mpi_ranks);

}  // namespace dure::launch
