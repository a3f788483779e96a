// How MPI learns from a launcher which ranks there are: the protocols that MPI
// and Slurm speak, and whether they have one in common.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dure::launch {

// Of "pmix", "pmi2" and "pmi": what the MPI speaks, the best first. `library`
// is what MPI calls itself ("Open MPI v4.1.4, ..."), `description` what
// ompi_info --parsable or mpichversion prints. Empty: not known.
std::vector<std::string> managers_of_mpi(std::string_view library,
                                         std::string_view description);

// The plugins that srun --mpi=list names, on either of its outputs.
std::vector<std::string> plugins_of_srun(std::string_view list);

// "srun --mpi=pmix", with the first of MPI's that srun has a plugin for; ""
// where there is none.
std::string common_srun(const std::vector<std::string>& managers,
                        const std::vector<std::string>& plugins);

}  // namespace dure::launch
