#include "dure/data/config.h"

#include "dure/base/fields.h"

namespace dure::data {

void visit(Fields& fields, DataConfig& c) {
  fields.section("data", "Where the tokens are, and how they are cut.");
  fields.texts("train",
               c.train,
               "Prefixes of .bin and .idx files, or weights and prefixes in "
               "turn, to train on.");
  fields.texts("validation", c.validation, "The same, to evaluate on.");
  fields.texts("test", c.test, "The same, for the last evaluation.");
  fields.text("split",
              c.split,
              "Shares of `train` for training, validation and test, such as "
              "969,30,1; empty: all for training.");
  fields.text("tokenizer",
              c.tokenizer,
              "What text becomes tokens by: \"bytes\", or a file or directory "
              "of a tokenizer; empty: that of train.from, if any.");
  fields.whole("sequence",
               c.sequence,
               "Tokens of a sample; auto: model.max_sequence.",
               {.least = 1, .automatic = 0});
  fields.text("index_cache",
              c.index_cache,
              "Where orders of samples are kept; empty: beside the data.");
}

}  // namespace dure::data
