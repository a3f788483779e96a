#include "dure/checkpoint/generation_config.h"

#include <limits>

#include "dure/base/check.h"
#include "dure/base/json.h"

namespace dure::checkpoint {
namespace {

constexpr const char* kKey = "eos_token_id";

std::int32_t id_of(const nlohmann::json& value, const JsonFields& fields) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  DURE_CHECK(value.is_number_integer() && value.get<std::int64_t>() >= 0 &&
                 value.get<std::int64_t>() <= kMost,
             "{}: {}: wanted the id of a token, or a list of such, got {}",
             fields.source(),
             kKey,
             fields.shown(kKey));
  return value.get<std::int32_t>();
}

}  // namespace

std::vector<std::int32_t> end_ids_in(const Path& folder) {
  const Path path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) {
    return {};
  }
  const nlohmann::json object =
      parse_object(read_regular_file(path), path.string());
  const JsonFields fields(object, path.string());
  std::vector<std::int32_t> ids;
  if (!fields.has(kKey)) {
    return ids;
  }
  const nlohmann::json& value = fields.value(kKey);
  if (!value.is_array()) {
    return {id_of(value, fields)};
  }
  for (const nlohmann::json& id : value) {
    ids.push_back(id_of(id, fields));
  }
  return ids;
}

}  // namespace dure::checkpoint
