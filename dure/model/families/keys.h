// The keys of [model].
#pragma once

#include "dure/base/fields.h"
#include "dure/model/config.h"

namespace dure::model {

void visit(Fields& fields, ModelConfig& config);

// Throws UsageError for values out of range or that contradict each other. The
// config must be resolved.
void validate(const ModelConfig& config);

}  // namespace dure::model
