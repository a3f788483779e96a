// What ranks of several processes see on disk, each of its own perhaps.
#pragma once

#include "dure/base/files.h"
#include "dure/comm/host_ranks.h"
#include "dure/comm/same.h"
#include "dure/data/config.h"

namespace dure::train {

// Of every data set that the configuration names: its tokens and its index.
comm::Facts facts_of_data(const data::DataConfig& config);

// Names, sizes and small files; of no path: nothing.
comm::Facts facts_of_checkpoint(const Path& folder);

// Collective: expect_same(), where ranks are not all of one process; there they
// see the same. `facts` is not called otherwise.
template <typename Function>
void expect_same_files(comm::HostRanks& ranks, const Function& facts) {
  if (!ranks.is_one_process()) {
    comm::expect_same(ranks.ranks(), facts());
  }
}

}  // namespace dure::train
