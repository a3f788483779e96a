// Readers of a config.json that several families share. For .cpp files only,
// like json.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "dure/base/json.h"

namespace dure::model {

struct SizeKey {
  const char* key;
  const char* also = nullptr;  // another name for it
};

// A size; 0 if the file doesn't give it. Throws Error if it is beyond any
// model, or if its two names have two values.
std::int64_t size_or_0(const JsonFields& fields, const SizeKey& size);

// A size that the file has to give.
std::int64_t size_of(const JsonFields& fields, const SizeKey& size);

// Throws Error for a value other than these names, which all mean the same; a
// missing key means the first.
void expect_name(const JsonFields& fields,
                 const char* key,
                 std::initializer_list<std::string> names);

}  // namespace dure::model
