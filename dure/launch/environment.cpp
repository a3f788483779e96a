#include "dure/launch/environment.h"

#include <array>
#include <charconv>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::launch {
namespace {

// Where a process finds its rank, and the number of ranks.
struct Variables {
  const char* rank = nullptr;
  const char* world = nullptr;  // null: not told
};

constexpr Variables kPmi = {"PMI_RANK", "PMI_SIZE"};
constexpr Variables kPmix = {"PMIX_RANK"};

struct Row {
  const char* name;
  Variables own;
  const char* local_rank;  // null: not told
  // Set by the same launcher, for MPI.
  std::array<Variables, 2> others = {};
  bool speaks_mpi = true;
  // Only where local_rank is there, too: what tells MPICH's launcher from
  // others that speak PMI.
  bool needs_local_rank = false;
};

constexpr Row kSlurmRow = {
    .name = kSlurm,
    // Of a step alone: a batch script has SLURM_NTASKS too, but runs once.
    .own = {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
    .local_rank = "SLURM_LOCALID",
    .others = {kPmi, kPmix}};

// The nearest first. Inside a job of Slurm, mpirun starts its daemons by srun:
// SLURM_PROCID is a daemon's then, and has nothing to do with our rank.
constexpr Row kLaunchers[] = {
    {.name = "Open MPI's mpirun",
     .own = {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
     .local_rank = "OMPI_COMM_WORLD_LOCAL_RANK",
     .others = {kPmix}},
    {.name = "MPICH's mpiexec",
     .own = kPmi,
     .local_rank = "MPI_LOCALRANKID",
     .needs_local_rank = true},
    kSlurmRow,
    {.name = "a launcher that speaks PMI", .own = kPmi, .local_rank = nullptr},
    {.name = "a launcher that speaks PMIx",
     .own = kPmix,
     .local_rank = nullptr},
    {.name = "torchrun",
     .own = {"RANK", "WORLD_SIZE"},
     .local_rank = "LOCAL_RANK",
     .speaks_mpi = false},
};

std::optional<int> number(const Environment& environment, const char* name) {
  const auto found =
      name == nullptr ? environment.end() : environment.find(name);
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
                            quoted(text),
                            ", wanted a whole number: unset it, or start by "
                            "mpirun or srun"));
  }
  return value;
}

[[noreturn]] void refuse(const char* first,
                         int first_value,
                         const char* second,
                         int second_value) {
  throw UsageError(concat("environment variables ",
                          first,
                          "=",
                          quoted(first_value),
                          " and ",
                          second,
                          "=",
                          quoted(second_value),
                          " do not go together. One is left over from "
                          "elsewhere: unset it, or start by mpirun or srun "
                          "from a fresh shell"));
}

void expect_equal(const Environment& environment,
                  const char* own,
                  const char* other) {
  const std::optional<int> wanted = number(environment, own);
  const std::optional<int> found = number(environment, other);
  if (wanted.has_value() && found.has_value() && wanted != found) {
    refuse(own, *wanted, other, *found);
  }
}

std::optional<Launcher> read(const Row& row, const Environment& environment) {
  const std::optional<int> rank = number(environment, row.own.rank);
  const std::optional<int> world = row.own.world == nullptr
                                       ? std::optional(kNotTold)
                                       : number(environment, row.own.world);
  const std::optional<int> local_rank = number(environment, row.local_rank);
  if (!rank.has_value() || !world.has_value() ||
      (row.needs_local_rank && !local_rank.has_value())) {
    return std::nullopt;
  }
  if (row.own.world != nullptr && *rank >= *world) {
    refuse(row.own.rank, *rank, row.own.world, *world);
  }
  for (const Variables& other : row.others) {
    expect_equal(environment, row.own.rank, other.rank);
    expect_equal(environment, row.own.world, other.world);
  }
  return Launcher{.name = row.name,
                  .rank = *rank,
                  .world = *world,
                  .local_rank = local_rank.value_or(0),
                  .speaks_mpi = row.speaks_mpi};
}

// "slurm.pmix.<job>.<step>"; mpirun's server has other names.
bool is_served_by_slurm(const Environment& environment) {
  const auto found = environment.find("PMIX_NAMESPACE");
  return found != environment.end() && found->second.starts_with("slurm.");
}

}  // namespace

std::optional<Launcher> launcher_of(const Environment& environment) {
  if (is_served_by_slurm(environment)) {
    if (const auto launcher = read(kSlurmRow, environment)) {
      return launcher;
    }
  }
  for (const Row& row : kLaunchers) {
    if (const auto launcher = read(row, environment)) {
      return launcher;
    }
  }
  return std::nullopt;
}

void check_world(const Launcher& launcher, int mpi_ranks) {
  const bool told = launcher.world != kNotTold;
  if (told ? launcher.world == mpi_ranks : launcher.rank < mpi_ranks) {
    return;
  }
  throw UsageError(concat(
      launcher.name,
      " started ",
      told ? concat(launcher.world, " processes")
           : concat("rank ", launcher.rank),
      ", but MPI sees a world of ",
      mpi_ranks,
      ": the launcher and the MPI library that dure was built with do not "
      "speak with each other, so each process would run alone. Under Slurm, "
      "try "
      "srun --mpi=pmix or --mpi=pmi2 (srun --mpi=list shows what there is); "
      "otherwise use the mpirun of that MPI (dure doctor names it)"));
}

}  // namespace dure::launch
