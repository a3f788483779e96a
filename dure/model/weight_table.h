// The weights of a model, found by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dure/model/weights.h"

namespace dure::model {

class WeightTable {
 public:
  explicit WeightTable(const ModelConfig& config) : all_(weights(config)) {
    for (const WeightSpec& spec : all_) {
      places_.emplace(spec.name, std::ssize(places_));
    }
  }
  // Names are the keys' memory.
  WeightTable(const WeightTable&) = delete;
  WeightTable& operator=(const WeightTable&) = delete;

  const std::vector<WeightSpec>& all() const { return all_; }
  // Where the weight is in all().
  std::int64_t place(std::string_view name) const { return places_.at(name); }
  const WeightSpec& at(std::string_view name) const {
    return all_[place(name)];
  }

 private:
  std::vector<WeightSpec> all_;
  std::unordered_map<std::string_view, std::int64_t> places_;
};

}  // namespace dure::model
