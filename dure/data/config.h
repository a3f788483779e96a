// [data]: where the tokens are and how samples are cut from them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dure {
class Fields;
}  // namespace dure

namespace dure::data {

// A list of data sets is prefixes, "a" "b", weighted by their sizes; or weights
// and prefixes in turn, "0.3" "a" "0.7" "b".
struct DataConfig {
  std::vector<std::string> train = {};
  std::vector<std::string> validation = {};
  std::vector<std::string> test = {};

  // Shares of `train` for train, validation and test, such as "969,30,1";
  // `validation` and `test` must then be empty.
  std::string split = {};

  std::string tokenizer = {};    // as load_tokenizer() takes it
  std::int64_t sequence = 0;     // tokens of a sample; 0: model.max_sequence
  std::string index_cache = {};  // a directory; empty: beside the data

  bool operator==(const DataConfig&) const = default;
};

void visit(Fields& fields, DataConfig& config);

}  // namespace dure::data
