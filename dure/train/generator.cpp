#include "dure/train/generator.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/transfer.h"

namespace dure::train {
namespace {

// Tokens of a prompt that are read at once: enough for the products to run at
// full speed, few enough to need little memory.
constexpr std::size_t kReadTokens = 256;

OwnedTensor upload(Rank& rank, std::span<const std::int32_t> values) {
  OwnedTensor tensor =
      rank.arena.tensor({static_cast<std::int64_t>(values.size())},
                        Category::kWorkspace,
                        DType::kI32);
  launch(rank.stream,
         kernels::Upload{.y = tensor, .host = std::as_bytes(values)});
  return tensor;
}

void download(Rank& rank, ConstTensor x, std::span<float> values) {
  launch(rank.stream,
         kernels::Download{.host = std::as_writable_bytes(values), .x = x});
}

// Row b of T columns counts on from start[b].
Tokens positions_from(std::span<const std::int32_t> start, std::size_t T) {
  Tokens positions;
  for (const std::int32_t first : start) {
    for (std::size_t t = 0; t < T; ++t) {
      positions.push_back(first + static_cast<std::int32_t>(t));
    }
  }
  return positions;
}

}  // namespace

Generator::Generator(Rank& rank, Replica& replica, GenerateOptions options)
    : rank_(rank),
      replica_(replica),
      options_(options),
      sampler_(options_.sampling) {}

void Generator::check_prompt(const Tokens& prompt) const {
  const model::ModelConfig& config = replica_.config();
  if (prompt.empty()) {
    throw UsageError("an empty prompt: give at least one token to go on from");
  }
  if (std::ssize(prompt) >= config.max_sequence) {
    throw UsageError(concat("the prompt has ",
                            prompt.size(),
                            " tokens; the model reads ",
                            config.max_sequence,
                            " positions, so wanted fewer than that"));
  }
  for (const std::int32_t id : prompt) {
    if (id < 0 || id >= config.vocabulary) {
      throw UsageError(concat("the prompt holds token ",
                              id,
                              "; the model's vocabulary is 0 to ",
                              config.vocabulary - 1,
                              ": is this the tokenizer it was trained with?"));
    }
  }
}

std::vector<Tokens> Generator::run(const std::vector<Tokens>& prompts,
                                   const OnToken& on_token) {
  texts_.clear();
  std::size_t longest = 0;
  for (const Tokens& prompt : prompts) {
    check_prompt(prompt);
    texts_.push_back({.tokens = prompt, .prompt = prompt.size()});
    longest = std::max(longest, prompt.size());
  }
  const auto B = static_cast<std::int64_t>(prompts.size());
  const model::Decoder& decoder = replica_.decoder();
  logits_.resize(prompts.size() *
                 static_cast<std::size_t>(decoder.padded_vocabulary()));
  const std::int64_t room =
      std::min(static_cast<std::int64_t>(longest) + options_.tokens,
               replica_.config().max_sequence);
  const bool cached = options_.cache == KvCache::kOn;
  const OwnedTensor memory = rank_.arena.tensor(
      decoder.cache_shape(B, cached ? room : 1), Category::kActivations);
  const model::Decoder::Cache cache = decoder.make_cache(memory);
  if (cached) {
    read_prompts(cache);
  }
  for (std::int64_t t = 0; t < options_.tokens; ++t) {
    if (!cached) {
      for (std::size_t b = 0; b < texts_.size(); ++b) {
        read_everything(b);
      }
    } else if (t > 0) {
      read_last(cache);
    }
    extend(on_token);
    if (std::all_of(texts_.begin(), texts_.end(), [](const Text& text) {
          return text.done;
        })) {
      break;
    }
  }
  std::vector<Tokens> continuations;
  for (const Text& text : texts_) {
    continuations.emplace_back(
        text.tokens.begin() + static_cast<std::ptrdiff_t>(text.prompt),
        text.tokens.end());
  }
  return continuations;
}

// Each by itself: they may differ in length.
void Generator::read_prompts(const model::Decoder::Cache& cache) {
  for (std::size_t b = 0; b < texts_.size(); ++b) {
    const std::span<const std::int32_t> prompt = texts_[b].tokens;
    const model::Decoder::Cache one =
        cache.of_samples(static_cast<std::int64_t>(b), 1);
    for (std::size_t first = 0; first < prompt.size(); first += kReadTokens) {
      const std::size_t T = std::min(kReadTokens, prompt.size() - first);
      const auto length = static_cast<std::int32_t>(first);
      read(one, prompt.subspan(first, T), {&length, 1}, logits_of(b));
    }
  }
}

void Generator::read(const model::Decoder::Cache& cache,
                     std::span<const std::int32_t> ids,
                     std::span<const std::int32_t> lengths,
                     std::span<float> logits) {
  const Tokens positions = positions_from(lengths, ids.size() / lengths.size());
  const OwnedTensor device_ids = upload(rank_, ids);
  const OwnedTensor device_positions = upload(rank_, positions);
  const OwnedTensor device_lengths = upload(rank_, lengths);
  nn::Context ctx = rank_.context(options_.sampling.seed);
  ctx.phase = nn::Phase::kEvaluate;
  ctx.tensor.rows = parallel::Rows::kWhole;  // T tokens need not divide
  const OwnedTensor device_logits =
      ctx.workspace({cache.samples, replica_.decoder().padded_vocabulary()});
  replica_.decoder().forward_cached(ctx,
                                    {},
                                    device_logits,
                                    {.ids = device_ids,
                                     .positions = device_positions,
                                     .lengths = device_lengths},
                                    cache);
  download(rank_, device_logits, logits);
}

// One more token of every text. A text that is done reads its last again, into
// a place that nobody looks at: the batch keeps its shape.
void Generator::read_last(const model::Decoder::Cache& cache) {
  Tokens ids;
  Tokens lengths;
  for (const Text& text : texts_) {
    ids.push_back(text.tokens.back());
    lengths.push_back(static_cast<std::int32_t>(text.tokens.size()) - 1);
  }
  read(cache, ids, lengths, logits_);
}

void Generator::read_everything(std::size_t prompt) {
  const Tokens& tokens = texts_[prompt].tokens;
  const auto N = static_cast<std::int64_t>(tokens.size());
  const std::int32_t start = 0;
  const OwnedTensor ids = upload(rank_, tokens);
  const OwnedTensor positions =
      upload(rank_, positions_from({&start, 1}, tokens.size()));
  nn::Context ctx = rank_.context(options_.sampling.seed);
  ctx.tensor.rows = parallel::Rows::kWhole;
  const OwnedTensor logits =
      ctx.workspace({N, replica_.decoder().padded_vocabulary()});
  replica_.decoder().logits(
      ctx,
      {},
      logits,
      {.ids = ids, .targets = {}, .positions = positions, .samples = 1});
  download(rank_, logits.rows(N - 1, 1), logits_of(prompt));
}

void Generator::extend(const OnToken& on_token) {
  const auto vocabulary =
      static_cast<std::size_t>(replica_.config().vocabulary);
  for (std::size_t b = 0; b < texts_.size(); ++b) {
    Text& text = texts_[b];
    if (text.done) {
      continue;
    }
    const std::int32_t token =
        sampler_.pick(logits_of(b).first(vocabulary), b, text.tokens.size());
    if (options_.end == token) {
      text.done = true;
      continue;
    }
    text.tokens.push_back(token);
    on_token(b, token);
    text.done = std::ssize(text.tokens) >= replica_.config().max_sequence;
  }
}

std::span<float> Generator::logits_of(std::size_t prompt) {
  const auto columns =
      static_cast<std::size_t>(replica_.decoder().padded_vocabulary());
  return std::span(logits_).subspan(prompt * columns, columns);
}

}  // namespace dure::train
