#include "dure/run/run_products.h"

#include <cctype>
#include <exception>
#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/kernels/op.h"

namespace dure::train {
namespace {

std::shared_ptr<kernels::ProductTable> table_for(const Stream& stream) {
  if constexpr (kernels::kWithCuda) {
    if (stream.device() == Device::kCuda) {
      return std::make_shared<kernels::ProductTable>(kernels::product_device());
    }
  }
  return nullptr;
}

// A file for each device and version of the library, such as
// products-NVIDIA_H200-130101.json.
std::string file_name(const kernels::ProductDevice& device) {
  std::string name = device.name;
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) {
      letter = '_';
    }
  }
  return fmt::format("products-{}-{}.json", name, device.library);
}

}  // namespace

RunProducts::RunProducts(Stream& stream, const Options& options)
    : options_(options), table_(table_for(stream)) {
  if (table_ == nullptr) {
    return;
  }
  if (!options_.checkpoint.empty()) {
    take(options_.checkpoint / checkpoint::kProductsFile,
         "the products of this run may add in another order than before");
  }
  if (!options_.cache.empty()) {
    cache_file_ = options_.cache / file_name(table_->device());
    cached_ = take(cache_file_, "its algorithms are measured again");
  }
  kernels::product_table(stream) = table_;
}

std::size_t RunProducts::take(const Path& file, const char* consequence) {
  if (std::filesystem::exists(file)) {
    try {
      if (!table_->take(read_regular_file(file), file.string())) {
        options_.log.warning(
            fmt::format("{} is of another device or version of cuBLASLt than "
                        "{}, version {}: {}",
                        file.string(),
                        table_->device().name,
                        table_->device().library,
                        consequence));
      }
    } catch (const Error& error) {
      options_.log.warning(fmt::format("{}; {}", error.what(), consequence));
    }
  }
  return table_->choices().size();
}

std::string RunProducts::document() const {
  return table_ != nullptr ? table_->to_json() : "";
}

void RunProducts::save_cache() {
  if (cache_file_.empty() || table_->choices().size() == cached_) {
    return;
  }
  try {
    make_directories(options_.cache);
    take(cache_file_, "it is written anew");
    write_file_atomically(cache_file_, table_->to_json());
    cached_ = table_->choices().size();
  } catch (const std::exception& error) {
    options_.log.warning(fmt::format(
        "the algorithms of products are not cached: {}", error.what()));
    cache_file_.clear();
  }
}

}  // namespace dure::train
