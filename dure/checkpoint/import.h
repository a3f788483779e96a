// A checkpoint of weights alone, made from another source tensor by tensor, so
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
  std::optional<FileDtype> dtype = std::nullopt;  // nothing: each as it is
  std::string commit = {};                        // of the program
  // Small texts that go along, such as a tokenizer's files: name -> text.
  std::map<std::string, std::string> documents = {};
};

// Step 0, no optimizer states. The folder must not exist; it appears whole.
// Error as Conversion's; returns sentences on what is not as it was.
std::vector<std::string> write_checkpoint(const WeightSource& source,
                                          const Path& folder,
                                          const ImportOptions& options = {});

}  // namespace dure::checkpoint
