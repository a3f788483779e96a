#include "dure/checkpoint/sharded/same_files.h"

#include <fmt/format.h>
#include <string>

#include "dure/base/check.h"
#include "dure/base/fingerprint.h"

namespace dure::train {
namespace {

std::string contents_of(const Path& file) {
  try {
    return fmt::format("{:016x}", fingerprint_of_file(file));
  } catch (const Error&) {
    return "no such file";
  }
}

}  // namespace

comm::Facts facts_of_data(const data::DataConfig& config) {
  comm::Facts facts;
  for (const auto* list : {&config.train, &config.validation, &config.test}) {
    for (const std::string& entry : *list) {
      for (const char* ending : {".idx", ".bin"}) {
        const std::string file = entry + ending;
        facts.emplace_back("the contents of " + file, contents_of(file));
      }
    }
  }
  return facts;
}

comm::Facts facts_of_checkpoint(const Path& folder) {
  if (folder.empty()) {
    return {};
  }
  const std::uint64_t sum = fingerprint_of_folder(folder);
  return {{"the contents of " + folder.string(),
           sum == 0 ? "no such folder" : fmt::format("{:016x}", sum)}};
}

}  // namespace dure::train
