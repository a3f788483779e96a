#include "dure/data/gpt_index.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/random.h"

namespace dure::data {
namespace {

// Fisher-Yates from the end. `first` is the block's place in the whole array,
// so that no two draws of an array share a random number.
void shuffle_block(std::span<std::uint32_t> block,
                   const RandomStream& random,
                   std::int64_t first) {
  for (std::size_t i = block.size(); i > 1; --i) {
    std::swap(block[i - 1], block[random.below(i, first + i - 1)]);
  }
}

// Calls visit(first, last) for every block of epochs [first, last) that is
// shuffled by itself.
template <typename Visit>
void for_blocks(const GptIndexInputs& inputs, const Visit& visit) {
  const EpochPlan& plan = inputs.plan;
  switch (inputs.order) {
    case SampleOrder::kJoint: {
      const std::int64_t apart = plan.separate_last_epoch() ? 1 : 0;
      visit(0, plan.epochs - apart);
      visit(plan.epochs - apart, plan.epochs);
      return;
    }
    case SampleOrder::kByEpoch:
      for (std::int64_t epoch = 0; epoch < plan.epochs; ++epoch) {
        visit(epoch, epoch + 1);
      }
      return;
  }
}

void fill_documents(std::span<std::uint32_t> documents,
                    const GptIndexInputs& inputs) {
  const std::int64_t size = inputs.range.size();
  for (std::int64_t i = 0; i < std::ssize(documents); ++i) {
    documents[i] = static_cast<std::uint32_t>(inputs.range.begin + i % size);
  }
  const RandomStream random(inputs.seed, "data.documents");
  for_blocks(inputs, [&](std::int64_t first, std::int64_t last) {
    shuffle_block(documents.subspan(first * size, (last - first) * size),
                  random,
                  first * size);
  });
}

// Walks over all tokens once: sample i begins at token i * sequence.
void fill_samples(std::span<std::uint32_t> places,
                  std::span<std::uint32_t> offsets,
                  std::span<const std::uint32_t> documents,
                  const IndexView& data,
                  std::int64_t sequence) {
  std::size_t sample = 0;
  std::int64_t next = 0;  // tokens from here to where `sample` begins
  for (std::size_t place = 0; sample < places.size(); ++place) {
    const std::int64_t length = data.length(documents[place]);
    for (; next < length && sample < places.size(); next += sequence) {
      places[sample] = static_cast<std::uint32_t>(place);
      offsets[sample++] = static_cast<std::uint32_t>(next);
    }
    next -= length;
  }
}

void fill_shuffle(std::span<std::uint32_t> shuffle,
                  const GptIndexInputs& inputs) {
  std::iota(shuffle.begin(), shuffle.end(), 0U);
  const RandomStream random(inputs.seed, "data.samples");
  for_blocks(inputs, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = inputs.plan.samples_before(first);
    const std::int64_t end = inputs.plan.samples_before(last);
    shuffle_block(shuffle.subspan(begin, end - begin), random, begin);
  });
}

// The four arrays within the words, in the order of the file.
template <typename Word>
std::array<std::span<Word>, 4> parts(std::span<Word> words,
                                     const GptIndexSizes& sizes) {
  const std::size_t d = sizes.documents;
  const std::size_t n = sizes.samples;
  return {words.subspan(0, d),
          words.subspan(d, n + 1),
          words.subspan(d + n + 1, n + 1),
          words.subspan(d + 2 * n + 2, n)};
}

std::span<const std::uint32_t> view_of(const GptIndex::Words& words) {
  if (const auto* file = std::get_if<MappedFile>(&words)) {
    const auto bytes = file->bytes();
    return {reinterpret_cast<const std::uint32_t*>(bytes.data()),
            bytes.size() / sizeof(std::uint32_t)};
  }
  return std::get<std::vector<std::uint32_t>>(words);
}

}  // namespace

GptIndexSizes::GptIndexSizes(const GptIndexInputs& inputs) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  DURE_CHECK(inputs.range.end <= kMost && inputs.plan.samples < kMost &&
                 inputs.plan.epochs <= kMost / inputs.range.size(),
             "an index over {} documents, {} epochs and {} samples is too "
             "large: each product must be below 2^32",
             inputs.range.size(),
             inputs.plan.epochs,
             inputs.plan.samples);
  documents = inputs.range.size() * inputs.plan.epochs;
  samples = inputs.plan.samples;
}

GptIndex::GptIndex(Words words, GptIndexSizes sizes, std::size_t offset)
    : owner_(std::move(words)),
      sizes_(sizes),
      all_(view_of(owner_).subspan(offset, sizes.words())) {
  const auto views = parts(all_, sizes);
  documents_ = views[0];
  places_ = views[1];
  offsets_ = views[2];
  shuffle_ = views[3];
}

GptIndex GptIndex::build(const IndexView& data, const GptIndexInputs& inputs) {
  const GptIndexSizes sizes(inputs);
  std::vector<std::uint32_t> words(sizes.words());
  const auto [documents, places, offsets, shuffle] =
      parts(std::span(words), sizes);
  fill_documents(documents, inputs);
  fill_samples(places, offsets, documents, data, inputs.plan.sequence);
  fill_shuffle(shuffle, inputs);
  return GptIndex(std::move(words), sizes, 0);
}

}  // namespace dure::data
