#include "dure/launch/environment.h"

#include <array>
#include <charconv>
#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::launch {
namespace {

// The variables with a process's rank and the number of ranks.
struct Variables {
  const char* rank = nullptr;
  const char* world = nullptr;  // null if there is none
};

constexpr Variables kPmi = {"PMI_RANK", "PMI_SIZE"};
constexpr Variables kPmix = {"PMIX_RANK"};

struct Row {
  const char* name;
  Variables own;
  const char* local_rank;  // null if there is none
  // Set by the same launcher, for MPI.
  std::array<Variables, 2> others = {};
  bool speaks_mpi = true;
  // Whether local_rank must be set as well. That tells MPICH's launcher from
  // others that speak PMI, and torchrun from variables of a cluster's
  // containers.
  bool needs_local_rank = false;
  // Other programs use such names, too: values that are not a rank of a world
  // are ignored.
  bool has_common_names = false;
};

constexpr Row kSlurmRow = {
    .name = kSlurm,
    // These are a step's: a batch script has SLURM_NTASKS too, but runs once.
    .own = {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
    .local_rank = "SLURM_LOCALID",
    .others = {kPmi, kPmix}};

// The nearest comes first. Inside a Slurm job mpirun starts its daemons by
// srun; SLURM_PROCID is a daemon's then, and not our rank.
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
     .speaks_mpi = false,
     .needs_local_rank = true,
     .has_common_names = true},
};

// Null if it is not set, or empty, as a script often leaves it.
const std::string* text_of(const Environment& environment, const char* name) {
  const auto found =
      name == nullptr ? environment.end() : environment.find(name);
  return found == environment.end() || found->second.empty() ? nullptr
                                                             : &found->second;
}

std::optional<int> parse_number(const std::string& text) {
  int value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole =
      error == std::errc() && end == text.data() + text.size() && value >= 0;
  return whole ? std::optional(value) : std::nullopt;
}

std::optional<int> number(const Environment& environment, const char* name) {
  const std::string* const text = text_of(environment, name);
  if (text == nullptr) {
    return std::nullopt;
  }
  const std::optional<int> value = parse_number(*text);
  if (!value.has_value()) {
    throw UsageError(
        "environment variable {} is {}, wanted a whole number: "
        "unset it, or start by mpirun or srun",
        name,
        quoted(*text));
  }
  return value;
}

// Whether two variables are a rank and the size of a world that includes it.
bool are_of_a_world(const Environment& environment,
                    const Variables& variables) {
  const std::string* const rank = text_of(environment, variables.rank);
  const std::string* const world = text_of(environment, variables.world);
  return rank != nullptr && world != nullptr &&
         parse_number(*rank).has_value() &&
         parse_number(*rank) < parse_number(*world);
}

bool is_number(const std::string* text) {
  return text != nullptr && parse_number(*text).has_value();
}

// Whether all variables of the launcher are set. Leftovers from elsewhere are
// mostly incomplete.
bool is_complete(const Row& row, const Environment& environment) {
  const auto is_there = [&](const char* name) {
    return text_of(environment, name) != nullptr;
  };
  return is_there(row.own.rank) &&
         (row.own.world == nullptr || is_there(row.own.world)) &&
         (!row.needs_local_rank || is_there(row.local_rank)) &&
         (!row.has_common_names ||
          (are_of_a_world(environment, row.own) &&
           is_number(text_of(environment, row.local_rank))));
}

[[noreturn]] void refuse(const char* first,
                         int first_value,
                         const char* second,
                         int second_value) {
  throw UsageError(
      "environment variables {}={} and {}={} do not go together. "
      "One is left over from elsewhere: unset it, or start by "
      "mpirun or srun from a fresh shell",
      first,
      first_value,
      second,
      second_value);
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
  if (!is_complete(row, environment)) {
    return std::nullopt;
  }
  const std::optional<int> rank = number(environment, row.own.rank);
  const std::optional<int> world = row.own.world == nullptr
                                       ? std::optional(kNotTold)
                                       : number(environment, row.own.world);
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
                  .local_rank = number(environment, row.local_rank).value_or(0),
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

std::string foreign_ranks(const Environment& environment) {
  const Variables common = {"RANK", "WORLD_SIZE"};
  if (!are_of_a_world(environment, common) ||
      *number(environment, common.world) == 1 ||
      launcher_of(environment).has_value()) {
    return "";
  }
  return fmt::format(
      "RANK={} and WORLD_SIZE={} are not heard: no launcher of processes has "
      "set them, so this one trains or computes alone. Ranks are started by "
      "--ranks, mpirun or srun",
      *number(environment, common.rank),
      *number(environment, common.world));
}

std::optional<int> threads_wanted(const Environment& environment) {
  const std::string* const text = text_of(environment, "OMP_NUM_THREADS");
  if (text == nullptr) {
    return std::nullopt;
  }
  const std::optional<int> first =
      parse_number(text->substr(0, text->find(',')));
  return first.value_or(0) >= 1 ? first : std::nullopt;
}

void check_world(const Launcher& launcher, int mpi_ranks) {
  const bool told = launcher.world != kNotTold;
  if (told ? launcher.world == mpi_ranks : launcher.rank < mpi_ranks) {
    return;
  }
  throw UsageError(
      "{} started {}, but MPI sees a world of {}: the launcher and the MPI "
      "library that dure was built with do not speak with each other, so each "
      "process would run alone. Under Slurm, try srun --mpi=pmix or --mpi=pmi2 "
      "(srun --mpi=list shows what there is); otherwise use the mpirun of that "
      "MPI (dure doctor names it)",
      launcher.name,
      told ? fmt::format("{} processes", launcher.world)
           : fmt::format("rank {}", launcher.rank),
      mpi_ranks);
}

}  // namespace dure::launch
