#include "dure/model/weights.h"

#include "dure/base/check.h"
#include "dure/model/family.h"
#include "dure/model/model_table.h"

namespace dure::model {
namespace {

// Every tensor rank gets whole heads, equally many, and the key-value heads
// that these use.
void check_heads(const ModelConfig& c, std::int64_t tensor) {
  DURE_CHECK(
      tensor >= 1 && c.heads % tensor == 0 &&
          (c.kv_heads % tensor == 0 || tensor % c.kv_heads == 0),
      "heads are not cut: a tensor size of {} does not divide model.heads, {}, "
      "or neither divides model.kv_heads, {}, nor is a multiple of it",
      tensor,
      c.heads,
      c.kv_heads);
}

ModelTable table_of(const ModelConfig& config,
                    std::int64_t tensor,
                    const ActivationPolicy& activation_policy) {
  ModelTable table(resolve(config), tensor, activation_policy);
  config.family->describe(table);
  return table;
}

}  // namespace

std::vector<WeightSpec> weights(const ModelConfig& config,
                                std::int64_t tensor) {
  check_heads(resolve(config), tensor);
  return table_of(config, tensor, {}).weights();
}

std::vector<UnitSpec> units(const ModelConfig& config,
                            const ActivationPolicy& activation_policy) {
  return table_of(config, 1, activation_policy).units();
}

}  // namespace dure::model
