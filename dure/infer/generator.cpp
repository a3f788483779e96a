#include "dure/infer/generator.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/traced_work.h"
#include "dure/kernels/transfer.h"
#include "dure/parallel/pipeline/executor.h"

namespace dure::train {
namespace {

// The tokens of a prompt that are read at once: enough for the products to run
// at full speed, few enough to need little memory.
constexpr std::size_t kReadTokens = 256;

parallel::PipeAxis axis_of(Rank& rank) {
  parallel::PipeAxis axis = {.stream = &rank.stream,
                             .arena = &rank.arena,
                             .ranks = &rank.group(mesh::kStages),
                             .tensor = rank.tensor()};
  axis.tensor.rows = parallel::Rows::kWhole;
  return axis;
}

struct Text {
  Tokens tokens;           // prompt and continuation
  std::size_t prompt = 0;  // tokens of the prompt
  bool done = false;
};

std::vector<Text> texts_of(const std::vector<Tokens>& prompts) {
  std::vector<Text> texts;
  for (const Tokens& prompt : prompts) {
    texts.push_back({.tokens = prompt, .prompt = prompt.size()});
  }
  return texts;
}

// One run of a generator. Group after group, a token of each text is read, and
// its logits are broadcast from the head's rank. Before a group is read again
// its logits are waited for, and every rank makes the same draw.
class DecodingSession {
 public:
  DecodingSession(Rank& rank,
                  const RankModel& rank_model,
                  const GenerateOptions& options,
                  const std::vector<Tokens>& prompts)
      : rank_(rank),
        rank_model_(rank_model),
        options_(options),
        sampler_(options.sampling, options.drawable),
        texts_(texts_of(prompts)),
        stages_(rank,
                rank_model,
                options.cache,
                {.texts = std::ssize(texts_), .positions = positions()}),
        executor_(axis_of(rank),
                  rank_model.pipeline().schedule,
                  rank_model.boundaries()) {
    const comm::Counts counts =
        comm::even_counts(std::ssize(texts_), rank.group(mesh::kStages).size());
    for (const std::int64_t count : counts) {
      const std::int64_t first = groups_.empty() ? 0 : groups_.back().last();
      if (count > 0) {
        groups_.push_back({.first = first, .count = count});
      }
    }
  }

  DecodingSession(const DecodingSession&) = delete;
  DecodingSession& operator=(const DecodingSession&) = delete;

  std::vector<Tokens> run(const Generator::OnToken& on_token) {
    for (std::int64_t t = 0; t < options_.tokens && !are_done(texts_); ++t) {
      for (Group& group : groups_) {
        extend(group, on_token);
        read(group);
      }
    }
    std::vector<Tokens> continuations;
    for (Group& group : groups_) {
      extend(group, on_token);
    }
    for (const Text& text : texts_) {
      continuations.emplace_back(
          text.tokens.begin() + static_cast<std::ptrdiff_t>(text.prompt),
          text.tokens.end());
    }
    return continuations;
  }

 private:
  // Neighbouring texts that are read together.
  struct Group {
    std::int64_t first = 0;
    std::int64_t count = 0;
    comm::TracedWork logits = {};  // in flight
    bool read = false;             // since it was extended
    bool prompts_read = false;

    std::int64_t last() const { return first + count; }
  };

  // The most positions of a text.
  std::int64_t positions() const {
    std::size_t longest = 0;
    for (const Text& text : texts_) {
      longest = std::max(longest, text.tokens.size());
    }
    const auto read = static_cast<std::int64_t>(longest);
    return read +
           std::min(options_.tokens, rank_model_.config().max_sequence - read);
  }

  static bool are_done(std::span<const Text> texts) {
    return std::all_of(
        texts.begin(), texts.end(), [](const Text& text) { return text.done; });
  }

  std::span<Text> texts(const Group& group) {
    return std::span(texts_).subspan(static_cast<std::size_t>(group.first),
                                     static_cast<std::size_t>(group.count));
  }

  void read(Group& group) {
    if (are_done(texts(group))) {
      return;
    }
    std::vector<DecodeMicroBatch> micro_batches = next_micro_batches(group);
    const auto program = forward_program(
        rank_model_.pipeline(), static_cast<int>(micro_batches.size()));
    stages_.begin(std::move(micro_batches));
    executor_.run(program, stages_);
    comm::Communicator& pipe = rank_.group(mesh::kStages);
    group.logits = comm::TracedWork(
        rank_.stream,
        pipe,
        "broadcast logits",
        comm::Broadcast{.x = logits(group), .root = pipe.size() - 1});
    group.read = true;
  }

  std::vector<DecodeMicroBatch> next_micro_batches(Group& group) {
    if (options_.cache == KvCache::kOff) {
      return everything(group);
    }
    return std::exchange(group.prompts_read, true)
               ? std::vector<DecodeMicroBatch>{last_tokens(group)}
               : prompts(group);
  }

  // Prompts are read one by one, as they may differ in length, and in pieces.
  std::vector<DecodeMicroBatch> prompts(const Group& group) {
    std::vector<DecodeMicroBatch> micro_batches;
    for (std::int64_t b = group.first; b < group.last(); ++b) {
      const Tokens& prompt = texts_[b].tokens;
      for (std::size_t first = 0; first < prompt.size(); first += kReadTokens) {
        const std::span piece = std::span(prompt).subspan(
            first, std::min(kReadTokens, prompt.size() - first));
        micro_batches.push_back(
            {.first = b,
             .ids = Tokens(piece.begin(), piece.end()),
             .lengths = {static_cast<std::int32_t>(first)}});
      }
    }
    return micro_batches;
  }

  // A finished text reads its last token again, into a place that nobody reads,
  // so the group keeps its shape.
  DecodeMicroBatch last_tokens(const Group& group) {
    DecodeMicroBatch micro_batch{
        .first = group.first, .ids = {}, .lengths = {}};
    for (const Text& text : texts(group)) {
      micro_batch.ids.push_back(text.tokens.back());
      micro_batch.lengths.push_back(
          static_cast<std::int32_t>(text.tokens.size()) - 1);
    }
    return micro_batch;
  }

  std::vector<DecodeMicroBatch> everything(const Group& group) {
    std::vector<DecodeMicroBatch> micro_batches;
    for (const Text& text : texts(group)) {
      micro_batches.push_back({.first = group.first + std::ssize(micro_batches),
                               .ids = text.tokens,
                               .lengths = {0}});
    }
    return micro_batches;
  }

  // Extends each text by its next token, if the group was read.
  void extend(Group& group, const Generator::OnToken& on_token) {
    if (!std::exchange(group.read, false)) {
      return;
    }
    group.logits.wait();
    const ConstTensor x = logits(group);
    host_.resize(static_cast<std::size_t>(x.elements()));
    launch(rank_.stream,
           kernels::Download{.host = std::as_writable_bytes(std::span(host_)),
                             .x = x});
    rank_.stream.synchronize();
    const auto columns = static_cast<std::size_t>(x.shape()[1]);
    std::size_t row = 0;
    for (Text& text : texts(group)) {
      extend(text,
             static_cast<std::size_t>(group.first) + row,
             std::span(host_).subspan(row * columns, columns),
             on_token);
      ++row;
    }
  }

  void extend(Text& text,
              std::size_t number,
              std::span<const float> logits,
              const Generator::OnToken& on_token) {
    if (text.done) {
      return;
    }
    const model::ModelConfig& config = rank_model_.config();
    const std::int32_t token =
        sampler_.pick(logits.first(static_cast<std::size_t>(config.vocabulary)),
                      number,
                      text.tokens.size());
    if (std::find(options_.ends.begin(), options_.ends.end(), token) !=
        options_.ends.end()) {
      text.done = true;
      return;
    }
    text.tokens.push_back(token);
    on_token(number, token);
    text.done = std::ssize(text.tokens) >= config.max_sequence;
  }

  Tensor logits(const Group& group) const {
    return stages_.logits().rows(group.first, group.count);
  }

  Rank& rank_;
  const RankModel& rank_model_;
  const GenerateOptions& options_;
  Sampler sampler_;
  std::vector<Text> texts_;
  DecodeStages stages_;
  parallel::Executor executor_;
  std::vector<float> host_;
  std::vector<Group> groups_;
};

}  // namespace

Generator::Generator(Rank& rank,
                     const RankModel& rank_model,
                     GenerateOptions options)
    : rank_(rank), rank_model_(rank_model), options_(std::move(options)) {}

void Generator::check_prompt(const Tokens& prompt) const {
  const model::ModelConfig& config = rank_model_.config();
  if (prompt.empty()) {
    throw UsageError("an empty prompt: give at least one token to go on from");
  }
  if (std::ssize(prompt) >= config.max_sequence) {
    throw UsageError(
        "the prompt has {} tokens; the model reads {} positions, "
        "so wanted fewer than that",
        prompt.size(),
        config.max_sequence);
  }
  for (const std::int32_t id : prompt) {
    if (id < 0 || id >= config.vocabulary) {
      throw UsageError(
          "the prompt holds token {}; the model's vocabulary is 0 "
          "to {}: is this the tokenizer it was trained with?",
          id,
          config.vocabulary - 1);
    }
  }
}

std::vector<Tokens> Generator::run(const std::vector<Tokens>& prompts,
                                   const OnToken& on_token) {
  for (const Tokens& prompt : prompts) {
    check_prompt(prompt);
  }
  return DecodingSession(rank_, rank_model_, options_, prompts).run(on_token);
}

}  // namespace dure::train
