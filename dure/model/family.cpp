#include "dure/model/family.h"

namespace dure::model {

ModelConfig of_family(const Family& family) {
  ModelConfig config;
  config.family = &family;
  family.begin(config);
  return config;
}

}  // namespace dure::model
