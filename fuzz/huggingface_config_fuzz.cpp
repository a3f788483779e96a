// Any bytes as Hugging Face's config.json: refused with an Error, or read as a
// valid model, which is the same after writing and reading again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dure/base/check.h"
#include "dure/checkpoint/huggingface_config.h"
#include "dure/model/families/keys.h"

namespace {

using dure::checkpoint::config_from_huggingface;
using dure::model::ModelConfig;

void check_round_trip(const ModelConfig& config) {
  dure::model::validate(config);
  const std::string text = dure::checkpoint::config_to_huggingface(
      config, dure::checkpoint::FileDtype::kF32);
  if (config_from_huggingface(text, "again") != config) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  ModelConfig config;
  try {
    config = config_from_huggingface(
        std::string_view(reinterpret_cast<const char*>(data), size), "input");
  } catch (const dure::Error&) {
    return 0;
  }
  check_round_trip(config);
  return 0;
}
