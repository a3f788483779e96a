// Whether the ranks of several processes see the same files, each on its own
// disk perhaps.
#pragma once

#include "dure/base/files.h"
#include "dure/comm/host_ranks.h"
#include "dure/comm/same.h"
#include "dure/data/config.h"

namespace dure::train {

// For every data set of the configuration: its tokens and its index.
comm::Facts facts_of_data(const data::DataConfig& config);

// Names, sizes and small files; empty for an empty path.
comm::Facts facts_of_checkpoint(const Path& folder);

// Collective: calls expect_same() unless all ranks are of one process, and so
// see the same files. Only then `facts` is called.
template <typename Function>
void expect_same_files(comm::HostRanks& ranks, const Function& facts) {
  if (!ranks.is_one_process()) {
    comm::expect_same(ranks.ranks(), facts());
  }
}

}  // namespace dure::train
