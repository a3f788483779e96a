// The keys of a config.json that its reader has not read.
//
// Transformers gives every key to the model, and a relative of a family may
// well have a key that changes what is computed. So a key is refused by name
// unless it is known to change nothing, or switches something off: null, false
// or empty.
#pragma once

#include "dure/base/json.h"

namespace dure::model {

// Called after everything known was read. Throws Error for the first key that
// might change the results.
void check_unread(const JsonFields& fields);

// Does this for an object within, in which no keys are known to change nothing.
void check_all_read(const JsonFields& fields);

}  // namespace dure::model
