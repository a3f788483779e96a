// Bytes as a profile: one that is read is the same after writing and reading
// again, and its layers can be cut into any number of stages.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dure/base/check.h"
#include "dure/config/profile_file.h"
#include "dure/model/stage_split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto file = dure::train::profile_from_json(text, "fuzz");
    if (dure::train::profile_from_json(dure::train::to_json(file), "again") !=
        file) {
      __builtin_trap();
    }
    const dure::model::StageSplit split{
        .method = dure::model::StageSplit::Method::kProfile,
        .profile = file.profile};
    const auto most =
        static_cast<int>(dure::model::split_layers(file.model).size());
    for (int stages = 1; stages <= most && stages <= 8; ++stages) {
      for (const auto& units :
           dure::model::split_units(file.model, split, stages)) {
        if (units.first >= units.last) {
          __builtin_trap();
        }
      }
    }
  } catch (const dure::Error&) {
    return 0;
  }
  return 0;
}
