#include "dure/run/trainer_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/fields.h"
#include "dure/base/json.h"
#include "dure/base/quote.h"
#include "dure/optim/schedule.h"

namespace dure::train {
namespace {

using Json = nlohmann::json;
using Texts = std::map<std::string, std::string>;

constexpr const char* kSteps = "train.steps";
constexpr const char* kDecaySteps = "optimizer.decay_steps";

// A setting that determines which samples a step reads.
struct Meaning {
  const char* key;
  const char* accept;
};
constexpr std::array kMeanings = {Meaning{"train.seed", "seed"},
                                  Meaning{"data.sequence", "sequence"},
                                  Meaning{"train.global_batch", "batch"},
                                  Meaning{"train.batch_rampup", "batch"}};

bool is_recorded(const Field& field) {
  const bool means =
      std::any_of(kMeanings.begin(), kMeanings.end(), [&](const Meaning& one) {
        return field.key() == one.key;
      });
  return means || field.key() == kSteps || field.section == "optimizer";
}

Texts settings_of(Config config) {
  Fields fields;
  visit(fields, config);
  Texts settings;
  for (const Field& field : fields.all()) {
    if (is_recorded(field)) {
      settings.emplace(field.key(), field.text());
    }
  }
  return settings;
}

Texts texts_from(const JsonFields& fields, const char* key) {
  Texts texts;
  if (fields.has(key)) {
    const Json& object = fields.object(key);
    for (const auto& [name, value] : object.items()) {
      texts[name] = JsonFields(object, fields.source()).text(name.c_str());
    }
  }
  return texts;
}

// A TOML value as it is; other text on one line, as it is foreign.
std::string one_line(const std::string& text) {
  const bool plain =
      text.find_first_of("\r\n\t") == std::string::npos && text.size() < 500;
  return plain ? printable(text) : quoted(text);
}

// Finds the settings that differ, among those that both have.
void compare(const Texts& before,
             const Texts& now,
             const std::string& name,
             const std::string& accept,
             std::vector<Change>& changes) {
  const auto was = before.find(name);
  const auto is = now.find(name);
  if (was != before.end() && is != now.end() && was->second != is->second) {
    changes.push_back(
        {accept,
         fmt::format(
             "{} was {}, is {}", name, one_line(was->second), is->second)});
  }
}

// The difference of the length and order of samples; other differences have
// their own names.
std::optional<std::string> other_data(std::optional<data::DataIdentity> before,
                                      std::optional<data::DataIdentity> now) {
  if (!before || !now) {
    return std::nullopt;
  }
  before->sequence = now->sequence;
  before->order = now->order;
  return data::difference(*before, *now);
}

std::int64_t whole(const Texts& settings, const char* key) {
  const auto found = settings.find(key);
  std::int64_t value = 0;
  if (found != settings.end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

// An update from `next` on for which the two give different rates, looked for
// in each part of the run; 0 if none is found.
std::int64_t first_other(std::int64_t next,
                         const optim::OptimizerConfig& a,
                         const optim::OptimizerConfig& b) {
  constexpr std::int64_t kLooks = 256;
  const std::int64_t last = std::max({a.decay_steps, b.decay_steps, next});
  for (std::int64_t i = 0; i <= kLooks; ++i) {
    const std::int64_t update = next + (last - next) / kLooks * i;
    if (optim::learning_rate(update, a) != optim::learning_rate(update, b)) {
      return update;
    }
  }
  return optim::learning_rate(last, a) != optim::learning_rate(last, b) ? last
                                                                        : 0;
}

}  // namespace

data::SampleOrder order_of(const TrainerFile& file) {
  return file.data ? file.data->order : data::SampleOrder::kJoint;
}

TrainerFile trainer_file(const Config& config,
                         const TrainingPosition& position,
                         std::optional<data::DataIdentity> data) {
  return {.position = position,
          .optimizer = config.optimizer.name->name,
          .tokenizer = config.data.tokenizer,
          .settings = settings_of(config),
          .data = std::move(data)};
}

namespace {

kernels::LossScaleState loss_scale_from(const JsonFields& fields) {
  const double scale = fields.number("scale");
  DURE_CHECK(scale > 0 && std::isnormal(static_cast<float>(scale)),
             "{}: wanted a loss scale above 0 that f32 holds, got {:g}",
             fields.source(),
             scale);
  return {.scale = static_cast<float>(scale),
          .good_steps = fields.whole("good_steps"),
          .tracker = fields.integer("tracker"),
          .iteration = fields.whole("iteration"),
          .last_overflow = fields.integer("last_overflow")};
}

}  // namespace

std::string to_json(const TrainerFile& file) {
  Json json = {{"step", file.position.step},
               {"updates", file.position.updates},
               {"consumed_samples", file.position.consumed},
               {"optimizer", file.optimizer},
               {"tokenizer", file.tokenizer},
               {"settings", file.settings}};
  if (file.data) {
    json["data"] = *file.data;
  }
  if (!file.from.empty()) {
    json["from"] = file.from;
  }
  if (file.position.loss_scale) {
    const kernels::LossScaleState& state = *file.position.loss_scale;
    json["loss_scale"] = {{"scale", state.scale},
                          {"good_steps", state.good_steps},
                          {"tracker", state.tracker},
                          {"iteration", state.iteration},
                          {"last_overflow", state.last_overflow}};
  }
  // Earlier versions read it from here.
  json["sequence"] = whole(file.settings, "data.sequence");
  return json.dump(2);
}

TrainerFile trainer_file_from(std::string_view text,
                              const std::string& source) {
  const Json object = parse_object(text, source);
  const JsonFields fields(object, source);
  TrainerFile file = {
      .position = {.step = fields.whole("step"),
                   .updates = fields.whole("updates"),
                   .consumed = fields.whole("consumed_samples")},
      .optimizer = fields.text("optimizer"),
      .tokenizer = fields.text_or("tokenizer", ""),
      .from = fields.text_or("from", ""),
      .settings = texts_from(fields, "settings"),
      .data = {}};
  if (fields.has("data")) {
    file.data = fields.object("data").get<data::DataIdentity>();
  }
  if (fields.has("loss_scale")) {
    file.position.loss_scale =
        loss_scale_from({fields.object("loss_scale"), source});
  }
  if (file.settings.empty()) {
    file.settings["data.sequence"] = std::to_string(fields.whole("sequence"));
  }
  return file;
}

std::vector<Change> changes(const TrainerFile& before,
                            const TrainerFile& now,
                            std::int64_t epochs) {
  std::vector<Change> changes;
  for (const Meaning& meaning : kMeanings) {
    compare(
        before.settings, now.settings, meaning.key, meaning.accept, changes);
  }
  if (const auto what = other_data(before.data, now.data)) {
    changes.push_back({"data", *what});
  }
  const bool dealt_anew = epochs > 1 &&
                          order_of(before) == data::SampleOrder::kJoint &&
                          order_of(now) == data::SampleOrder::kJoint;
  if (dealt_anew) {
    compare(before.settings, now.settings, kSteps, "order", changes);
  }
  return changes;
}

std::string moved_schedule(const TrainerFile& before, const Config& config) {
  const std::int64_t steps = whole(before.settings, kSteps);
  optim::OptimizerConfig old = config.optimizer;
  old.decay_steps = whole(before.settings, kDecaySteps);
  const bool followed = old.decay_steps == steps &&
                        config.optimizer.decay_steps == config.train.steps;
  if (!followed || old.decay_steps == config.optimizer.decay_steps) {
    return "";
  }
  const std::int64_t update =
      first_other(before.position.updates + 1, old, config.optimizer);
  return update == 0 ? ""
                     : fmt::format(
                           "the learning rate changes, since "
                           "optimizer.decay_steps follows train.steps, which "
                           "was {} and is {}: update {} had {:g} and has {:g}; "
                           "set optimizer.decay_steps = {} to keep it",
                           steps,
                           config.train.steps,
                           update,
                           optim::learning_rate(update, old),
                           optim::learning_rate(update, config.optimizer),
                           steps);
}

}  // namespace dure::train
