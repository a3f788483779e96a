// The keys of a config.json that its reader did not read.
//
// Transformers gives every key to the model, and a relative of a family's may
// well have a key that changes what is computed. So a key is refused by name
// unless it is known to change nothing, or switches something off: null, false
// or empty.
#pragma once

#include "dure/base/json.h"

namespace dure::model {

// To be called when all that is understood was read. Error for the first key,
// by name, that might change the results.
void check_unread(const JsonFields& fields);

// The same for an object within, which has no keys that change nothing.
void check_all_read(const JsonFields& fields);

}  // namespace dure::model
