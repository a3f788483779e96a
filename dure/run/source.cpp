#include "dure/run/source.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/comm/activity.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"
#include "dure/run/run_checkpoint.h"

namespace dure::train {
namespace {

std::string name_of(const Config& config) {
  return fmt::format("train.from = {}", quoted(config.train.from));
}

// "has no token", or "is" and the text in quotes.
std::string meaning_of(const data::Tokenizer& tokenizer, std::int32_t id) {
  return tokenizer.has_token(id)
             ? fmt::format("is {}", quoted(tokenizer.token_text(id)))
             : std::string("has no token");
}

bool means_the_same(const data::Tokenizer& a,
                    const data::Tokenizer& b,
                    std::int32_t id) {
  return a.has_token(id) == b.has_token(id) &&
         (!a.has_token(id) || a.token_text(id) == b.token_text(id));
}

bool accepts_another_tokenizer(const Config& config) {
  const std::vector<std::string>& accepted = config.checkpoint.accept_changed;
  return std::find(accepted.begin(), accepted.end(), "tokenizer") !=
         accepted.end();
}

}  // namespace

Path find_source(Rank& rank, const Config& config, const Log& log) {
  if (config.train.from.empty()) {
    return {};
  }
  const comm::Activity looking(rank.world(), "reading train.from");
  return find_weights(rank.control(), config.train.from, log);
}

void expect_tokenizer(const Path& source, const Config& config) {
  const std::string spec = tokenizer_in(source);
  if (spec.empty() || config.data.tokenizer.empty() ||
      accepts_another_tokenizer(config)) {
    return;
  }
  const auto there = data::load_tokenizer(spec);
  const auto here = data::load_tokenizer(config.data.tokenizer);
  const std::int64_t ids = std::min(there->vocabulary(), here->vocabulary());
  for (std::int32_t id = 0; id < ids; ++id) {
    DURE_CHECK(
        means_the_same(*there, *here, id),
        "data.tokenizer = {} is another than the weights of {} know: id {} {} "
        "there, and {} here; leave data.tokenizer out to have theirs, or, if "
        "it is meant, set checkpoint.accept_changed = [\"tokenizer\"]",
        quoted(config.data.tokenizer),
        name_of(config),
        id,
        meaning_of(*there, id),
        meaning_of(*here, id));
  }
}

std::string unnamed_tokenizer(const Path& folder) {
  return tokenizer_in(folder) == data::kBytesTokenizer ? data::kBytesTokenizer
                                                       : "";
}

std::map<std::string, std::string> inherited_tokenizer(const Path& folder,
                                                       std::int64_t model_ids,
                                                       const Log& log) {
  try {
    data::tokenizer_documents(tokenizer_in(folder), model_ids);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    log.warning(
        fmt::format("{}; its files go along all the same", error.what()));
  }
  return data::tokenizer_files_in(folder);
}

void load_source(Rank& rank,
                 Trainer& trainer,
                 const Path& source,
                 const Log& log) {
  const comm::Activity loading(rank.world(), "loading the weights to start");
  const auto weights = checkpoint::open_found_weights(source);
  const model::ModelConfig& model = trainer.config().model;
  const SourceModel found = {.model = weights->config(),
                             .name = source.string()};
  expect_model(found, model);
  log.info(fmt::format("starting from the weights of {}", source.string()));
  const std::string other = checkpoint::model_difference(found.model, model);
  if (!other.empty()) {  // what positions mean
    log.info(fmt::format("as the configuration asks, {}", other));
  }
  load_weights(rank, trainer.rank_model(), *weights);
}

}  // namespace dure::train
