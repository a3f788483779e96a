#include "dure/data/gpt_dataset.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/data/gpt_index_cache.h"

namespace dure::data {
namespace {

GptIndexInputs inputs_of(const IndexedDataset& data,
                         const GptDatasetOptions& options) {
  return {.range = options.range,
          .plan = plan_epochs(
              tokens_for_samples(data, options.range, options.sequence),
              options.sequence,
              options.samples),
          .order = options.order,
          .seed = options.seed};
}

}  // namespace

std::int64_t tokens_for_samples(const IndexedDataset& data,
                                Range range,
                                std::int64_t sequence) {
  DURE_CHECK(range.begin >= 0 && range.end <= data.sequences(),
             "{}: wanted documents {} to {}, but there are {}",
             data.prefix(),
             range.begin,
             range.end,
             data.sequences());
  DURE_CHECK(range.size() > 0,
             "{}: a share of data.split gets none of its {} documents: give "
             "that part a larger share or none, or more documents (dure "
             "preprocess --documents says what one is)",
             data.prefix(),
             data.sequences());
  std::int64_t tokens = 0;
  for (std::int64_t s = range.begin; s < range.end; ++s) {
    tokens += data.length(s);
  }
  DURE_CHECK(tokens > sequence,
             "{}: documents {} to {} have {} tokens, less than the {} of one "
             "sample (data.sequence + 1); give more text, a larger share in "
             "data.split, or a shorter sequence",
             data.prefix(),
             range.begin,
             range.end,
             tokens,
             sequence + 1);
  return tokens;
}

GptDataset::GptDataset(std::shared_ptr<const IndexedDataset> data,
                       const GptDatasetOptions& options)
    : data_(std::move(data)),
      vocabulary_(options.vocabulary),
      inputs_(inputs_of(*data_, options)),
      index_(
          open_gpt_index(*data_, inputs_, options.index_cache, options.log)) {}

void GptDataset::sample(std::int64_t index,
                        std::span<std::int32_t> tokens) const {
  DURE_CHECK(index >= 0 && index < size(),
             "{}: wanted sample {} of {}",
             data_->prefix(),
             index,
             size());
  DURE_CHECK(std::ssize(tokens) == sample_tokens(),
             "a sample has {} tokens, room was given for {}",
             sample_tokens(),
             tokens.size());
  data_->expect_unchanged();
  auto [place, offset] = index_.position(index);
  while (!tokens.empty()) {
    const std::int64_t document = index_.document(place++);
    const std::int64_t here = std::min<std::int64_t>(
        data_->length(document) - offset, std::ssize(tokens));
    const auto part = tokens.first(here);
    data_->read(document, offset, part);
    check_ids(document, part);
    tokens = tokens.subspan(here);
    offset = 0;
  }
}

void GptDataset::check_ids(std::int64_t document,
                           std::span<const std::int32_t> tokens) const {
  std::uint32_t largest = 0;  // a negative id becomes a large one
  for (std::int32_t token : tokens) {
    largest = std::max(largest, static_cast<std::uint32_t>(token));
  }
  DURE_CHECK(largest < static_cast<std::uint64_t>(vocabulary_),
             "{}: document {} holds token id {}, but the vocabulary has {}; "
             "preprocess the text with the model's tokenizer, or raise "
             "model.vocabulary",
             data_->prefix(),
             document,
             static_cast<std::int32_t>(largest),
             vocabulary_);
}

}  // namespace dure::data
