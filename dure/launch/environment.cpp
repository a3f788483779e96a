#include "dure/launch/environment.h"

#include <charconv>

#include "dure/base/check.h"

namespace dure::launch {
namespace {

// The variables in which a launcher gives rank, world and local rank.
struct Row {
  const char* name;
  const char* rank;
  const char* world;
  const char* local_rank;
  bool speaks_mpi;
};

constexpr Row kLaunchers[] = {
    {"Open MPI's mpirun",
     "OMPI_COMM_WORLD_RANK",
     "OMPI_COMM_WORLD_SIZE",
     "OMPI_COMM_WORLD_LOCAL_RANK",
     true},
    {"MPICH's mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", true},
    // Of a step alone: a batch script has SLURM_NTASKS too, but runs once.
    {kSlurm, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", true},
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", false},
};

std::optional<int> number(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  if (found == environment.end()) {
    return std::nullopt;
  }
  const std::string& text = found->second;
  int value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    throw UsageError(concat("environment variable ",
                            name,
                            " is ",
                            text,
                            ", wanted a whole number: unset it, or start by "
                            "mpirun or srun"));
  }
  return value;
}

}  // namespace

std::optional<Launcher> launcher_of(const Environment& environment) {
  for (const Row& row : kLaunchers) {
    const std::optional<int> rank = number(environment, row.rank);
    const std::optional<int> world = number(environment, row.world);
    if (!rank.has_value() || !world.has_value()) {
      continue;
    }
    if (*rank >= *world) {
      throw UsageError(concat("environment variables ",
                              row.rank,
                              "=",
                              *rank,
                              " and ",
                              row.world,
                              "=",
                              *world,
                              " do not go together: unset them, or start by "
                              "mpirun or srun"));
    }
    return Launcher{
        .name = row.name,
        .rank = *rank,
        .world = *world,
        .local_rank = number(environment, row.local_rank).value_or(0),
        .speaks_mpi = row.speaks_mpi};
  }
  return std::nullopt;
}

void check_world(const Launcher& launcher, int mpi_ranks) {
  if (launcher.world == mpi_ranks) {
    return;
  }
  throw UsageError(concat(
      launcher.name,
      " started ",
      launcher.world,
      " processes, but MPI sees a world of ",
      mpi_ranks,
      ": the launcher and the MPI library that dure was built with do not "
      "speak with each other, so each process would run alone. Under Slurm, "
      "try "
      "srun --mpi=pmix or --mpi=pmi2 (srun --mpi=list shows what there is); "
      "otherwise use the mpirun of that MPI (dure doctor names it)"));
}

}  // namespace dure::launch
