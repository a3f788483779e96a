// The environment variables by which a launcher tells its processes their rank.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace dure::launch {

inline constexpr const char* kSlurm = "Slurm's srun";

// The world size if it is unknown: PMIx gives a process its rank only.
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

// The launcher nearest to this process; nothing if it was started by hand.
// mpirun's own variables win over Slurm's, which inside a job are those of
// mpirun's daemons. But if the PMIx server is Slurm's (PMIX_NAMESPACE), Slurm
// is the nearest, and mpirun's variables are left over from where the job was
// submitted. A launcher counts if all its variables are set and not empty.
// Common names (RANK, WORLD_SIZE) that are not a rank of a world are ignored.
// Throws UsageError if another variable is not the number that it should be, or
// if two of one launcher's variables contradict each other.
std::optional<Launcher> launcher_of(const Environment& environment);

// A warning where RANK and WORLD_SIZE name a rank of several, but LOCAL_RANK is
// missing, so that no launcher on this machine has set them: some clusters set
// them for containers, and for programs that find one another by them. This
// process runs alone. The text is empty otherwise.
std::string foreign_ranks(const Environment& environment);

// OMP_NUM_THREADS, by which scripts of clusters say how many threads a process
// should have; the first number of a list. Nothing if it is not set or no
// number of at least 1.
std::optional<int> threads_wanted(const Environment& environment);

// Throws UsageError if MPI counts another number of ranks than the launcher
// started: each process would run alone, N times the same. With kNotTold, any
// world is right that has the launcher's rank.
void check_world(const Launcher& launcher, int mpi_ranks);

}  // namespace dure::launch
