#include "dure/kernels/product_table.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/json.h"

namespace dure::kernels {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "dure-products";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kAlgorithmDigits = 8 * 16;

std::string hex_of(const ProductChoice& choice) {
  std::string text;
  for (const std::uint64_t word : choice.algorithm) {
    text += fmt::format("{:016x}", word);
  }
  return text;
}

// y, operands, arithmetic and transposes, as in "f32 bf16 f32 n t".
std::string kind_of(const ProductKey& key) {
  const auto letter = [](Transpose transpose) {
    return transpose == Transpose::kYes ? 't' : 'n';
  };
  return fmt::format("{} {} {} {} {}",
                     name_of(key.y),
                     name_of(key.operands),
                     key.f32_product == F32Product::kTf32 ? "tf32" : "f32",
                     letter(key.transpose_a),
                     letter(key.transpose_b));
}

// A key of every kind. There are few, so reading compares their texts.
std::map<std::string, ProductKey> all_kinds() {
  std::map<std::string, ProductKey> kinds;
  constexpr DType kTypes[] = {DType::kF32, DType::kBf16, DType::kF16};
  constexpr Transpose kTransposes[] = {Transpose::kNo, Transpose::kYes};
  for (const DType y : kTypes) {
    for (const DType operands : kTypes) {
      for (const F32Product f32 : {F32Product::kF32, F32Product::kTf32}) {
        for (const Transpose a : kTransposes) {
          for (const Transpose b : kTransposes) {
            ProductKey key;
            key.y = y;
            key.operands = operands;
            key.f32_product = f32;
            key.transpose_a = a;
            key.transpose_b = b;
            kinds.emplace(kind_of(key), key);
          }
        }
      }
    }
  }
  return kinds;
}

Json json_of(const ProductKey& key, const ProductChoice& choice) {
  return {{"sizes", key.sizes},
          {"steps", key.steps},
          {"kind", kind_of(key)},
          {"alignments", key.alignments},
          {"workspace", choice.workspace_bytes},
          {"algorithm", hex_of(choice)}};
}

template <typename Number, std::size_t kCount>
void read(const JsonFields& fields,
          const char* name,
          std::int64_t most,
          std::array<Number, kCount>& to) {
  const Json& numbers = fields.array(name);
  DURE_CHECK(numbers.size() == kCount,
             "{}: \"{}\" has {} numbers, wanted {}",
             fields.source(),
             name,
             numbers.size(),
             kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    const bool is_whole = numbers[i].is_number_integer();
    const std::int64_t number =
        is_whole ? numbers[i].get<std::int64_t>() : std::int64_t{-1};
    DURE_CHECK(number >= 0 && number <= most,
               "{}: \"{}\" has {}, wanted a whole number up to {}",
               fields.source(),
               name,
               numbers[i].dump(),
               most);
    to[i] = static_cast<Number>(number);
  }
}

ProductKey key_from(const JsonFields& fields,
                    const std::map<std::string, ProductKey>& kinds) {
  constexpr std::int64_t kMostSize = std::int64_t{1} << 53;
  const auto kind = kinds.find(fields.text("kind"));
  DURE_CHECK(kind != kinds.end(),
             "{}: \"kind\" is {}, wanted types and transposes, such as \"f32 "
             "bf16 f32 n t\"",
             fields.source(),
             fields.shown("kind"));
  ProductKey key = kind->second;
  read(fields, "sizes", kMostSize, key.sizes);
  read(fields, "steps", kMostSize, key.steps);
  read(fields, "alignments", 16, key.alignments);
  return key;
}

ProductChoice choice_from(const JsonFields& fields,
                          const ProductDevice& device) {
  ProductChoice choice;
  const std::string digits = fields.text("algorithm");
  bool is_good = digits.size() == kAlgorithmDigits;
  for (std::size_t i = 0; is_good && i < choice.algorithm.size(); ++i) {
    const char* const first = digits.data() + 16 * i;
    const auto [end, error] =
        std::from_chars(first, first + 16, choice.algorithm[i], 16);
    is_good = error == std::errc() && end == first + 16;
  }
  DURE_CHECK(is_good,
             "{}: \"algorithm\" is {}, wanted {} hexadecimal digits",
             fields.source(),
             fields.shown("algorithm"),
             kAlgorithmDigits);
  const std::int64_t bytes = fields.whole("workspace");
  DURE_CHECK(bytes <= device.workspace,
             "{}: \"workspace\" is {}, wanted at most {}",
             fields.source(),
             bytes,
             device.workspace);
  choice.workspace_bytes = static_cast<std::size_t>(bytes);
  return choice;
}

ProductDevice device_from(const JsonFields& fields) {
  const std::string format = fields.text("format");
  const std::int64_t version = fields.whole("version");
  DURE_CHECK(format == kFormat && version == kVersion,
             "{} is \"{}\" of version {}, wanted \"{}\" of version {}",
             fields.source(),
             format,
             version,
             kFormat,
             kVersion);
  return {.name = fields.text("device"),
          .library = fields.whole("library"),
          .workspace = fields.whole("workspace")};
}

ProductChoices choices_from(const JsonFields& fields,
                            const ProductDevice& device) {
  const std::map<std::string, ProductKey> kinds = all_kinds();
  ProductChoices choices;
  for (const Json& each : fields.array("products")) {
    DURE_CHECK(each.is_object(),
               "{}: \"products\" has {}, wanted objects",
               fields.source(),
               each.dump());
    const JsonFields product(each, fields.source());
    const ProductKey key = key_from(product, kinds);
    DURE_CHECK(choices.emplace(key, choice_from(product, device)).second,
               "{} has two algorithms for one product, {}",
               fields.source(),
               each.dump());
  }
  return choices;
}

}  // namespace

std::optional<ProductChoice> ProductTable::find(const ProductKey& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = choices_.find(key);
  return found == choices_.end() ? std::nullopt : std::optional(found->second);
}

ProductChoice ProductTable::enter(const ProductKey& key,
                                  const ProductChoice& choice) {
  const std::scoped_lock lock(mutex_);
  return choices_.emplace(key, choice).first->second;
}

void ProductTable::replace(const ProductKey& key, const ProductChoice& choice) {
  const std::scoped_lock lock(mutex_);
  choices_.insert_or_assign(key, choice);
}

ProductChoices ProductTable::choices() const {
  const std::scoped_lock lock(mutex_);
  return choices_;
}

std::string ProductTable::to_json() const {
  Json products = Json::array();
  for (const auto& [key, choice] : choices()) {
    products.push_back(json_of(key, choice));
  }
  return Json({{"format", kFormat},
               {"version", kVersion},
               {"device", device_.name},
               {"library", device_.library},
               {"workspace", device_.workspace},
               {"products", std::move(products)}})
             .dump(1) +
         "\n";
}

bool ProductTable::take(std::string_view text, const std::string& source) {
  const Json object = parse_object(text, source);
  const JsonFields fields(object, source);
  const ProductDevice device = device_from(fields);
  ProductChoices choices = choices_from(fields, device);
  if (device != device_) {
    return false;
  }
  const std::scoped_lock lock(mutex_);
  choices_.merge(std::move(choices));
  return true;
}

std::size_t fastest(std::span<const std::array<float, 3>> seconds) {
  const auto median = [](std::array<float, 3> runs) {
    std::ranges::sort(runs);
    return runs[1];
  };
  const auto least = std::ranges::min_element(seconds, {}, median);
  return static_cast<std::size_t>(least - seconds.begin());
}

}  // namespace dure::kernels
