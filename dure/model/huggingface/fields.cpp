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
             fields.source(),
             ": ",
             size.key,
             " is ",
             value,
             ", but ",
             size.also,
             ", which is another name of it, ",
             also);
  DURE_CHECK(also <= kLargest,
             fields.source(),
             ": ",
             size.key,
             " is ",
             also,
             "; no model has more than ",
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
             fields.source(),
             ": ",
             key,
             " is ",
             quoted(found),
             "; Dure's ",
             fields.text("model_type"),
             " has only ",
             quoted(*names.begin()));
}

}  // namespace dure::model
