// Which protocols MPI and Slurm speak for telling MPI its ranks, and whether
// they have one in common.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dure::launch {

// The protocols among "pmix", "pmi2" and "pmi" that MPI speaks, the best first;
// empty if unknown. `library` is MPI's name for itself ("Open MPI v4.1.4,
// ..."), `description` the output of ompi_info --parsable or mpichversion.
std::vector<std::string> managers_of_mpi(std::string_view library,
                                         std::string_view description);

// The plugins that srun --mpi=list names, on either of its outputs.
std::vector<std::string> plugins_of_srun(std::string_view list);

// "srun --mpi=pmix", with MPI's first protocol for which srun has a plugin; ""
// if there is none.
std::string common_srun(const std::vector<std::string>& managers,
                        const std::vector<std::string>& plugins);

}  // namespace dure::launch
