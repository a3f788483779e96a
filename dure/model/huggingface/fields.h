// What several families read of a config.json. For .cpp files only, as json.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "dure/base/json.h"

namespace dure::model {

struct SizeKey {
  const char* key;
  const char* also = nullptr;  // another name of the same
};

// A number of something; 0 where the file doesn't say it. Error where it is
// beyond any model, or its two names have two values.
std::int64_t size_or_0(const JsonFields& fields, const SizeKey& size);

// The same, of one that the file has to say.
std::int64_t size_of(const JsonFields& fields, const SizeKey& size);

// Error for another name than these, which all mean the same; the first where
// the key isn't there.
void expect_name(const JsonFields& fields,
                 const char* key,
                 std::initializer_list<std::string> names);

}  // namespace dure::model
