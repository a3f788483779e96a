#include "dure/model/huggingface/fields.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::model {
namespace {

// Larger than any model, and small enough that products of two do not overflow.
constexpr std::int64_t kLargest = std::int64_t{1} << 31;

}  // namespace

std::int64_t size_or_0(const JsonFields& fields, const SizeKey& size) {
  const std::int64_t value = fields.positive_or(size.key, 0);
  const std::int64_t also =
      size.also == nullptr ? value : fields.positive_or(size.also, value);
  DURE_CHECK(value == 0 || also == value,
             "{}: {} is {}, but {}, which is another name of it, {}",
             fields.source(),
             size.key,
             value,
             size.also,
             also);
  DURE_CHECK(also <= kLargest,
             "{}: {} is {}; no model has more than {}",
             fields.source(),
             size.key,
             also,
             kLargest);
  return also;
}

std::int64_t size_of(const JsonFields& fields, const SizeKey& size) {
  const std::int64_t value = size_or_0(fields, size);
  return value != 0 ? value : fields.positive(size.key);
}

void expect_name(const JsonFields& fields,
                 const char* key,
                 std::initializer_list<std::string> names) {
  const std::string found = fields.text_or(key, *names.begin());
  DURE_CHECK(std::find(names.begin(), names.end(), found) != names.end(),
             "{}: {} is {}; Dure's {} has only {}",
             fields.source(),
             key,
             quoted(found),
             fields.text("model_type"),
             quoted(*names.begin()));
}

}  // namespace dure::model
