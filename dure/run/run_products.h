// The algorithms of a run's products on a GPU (kernels/product_table.h).
//
// A run takes them from the checkpoint that it goes on from, then from a cache,
// and measures where both lack one. It keeps them in its checkpoints, so that
// it goes on with the same bits, and in the cache, so that the next run need
// not measure. The format is docs/formats/products.md.
#pragma once

#include <memory>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/kernels/product_table.h"

namespace dure::train {

class RunProducts {
 public:
  struct Options {
    Path checkpoint = {};  // the folder to go on from; empty: none
    Path cache = {};       // the directory of the cache; empty: none
    Log log = {};          // outlives this
  };

  // Gives the stream a table, if it is one of a GPU. A damaged file, or one of
  // another device or library, is left out with a warning.
  RunProducts(Stream& stream, const Options& options);

  // For checkpoints; empty if there is no table.
  std::string document() const;

  // Writes the cache if the run has measured something. The file keeps what
  // came into it meanwhile. A failure is a warning.
  void save_cache();

 private:
  // The number of choices after taking them from the file, if it is there.
  std::size_t take(const Path& file, const char* consequence);

  Options options_;
  Path cache_file_;
  std::shared_ptr<kernels::ProductTable> table_;  // null: not a GPU
  std::size_t cached_ = 0;                        // choices in the cache
};

}  // namespace dure::train
