// Makes a checkpoint of weights alone from another source, tensor by tensor, so
// that memory holds only the largest.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/files.h"
#include "dure/checkpoint/weight_source.h"

namespace dure::checkpoint {

struct ImportOptions {
  std::optional<FileDtype> dtype = std::nullopt;  // nothing: as it is
  std::string commit = {};                        // of the program
  // Small texts to copy along, such as a tokenizer's files: name -> text.
  std::map<std::string, std::string> documents = {};
};

// Writes step 0, without optimizer states. The folder must not exist; it
// appears whole. Throws Error as Conversion does, and returns sentences about
// what has changed.
std::vector<std::string> write_checkpoint(const WeightSource& source,
                                          const Path& folder,
                                          const ImportOptions& options = {});

}  // namespace dure::checkpoint
