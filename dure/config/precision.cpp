#include "dure/config/precision.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <iterator>
#include <string>

#include "dure/base/check.h"
#include "dure/base/fields.h"

namespace dure::train {
namespace {

using kernels::LossScaleKind;

constexpr Choice<Compute> kComputes[] = {
    {"fp32", Compute::kFp32},
    {"bf16", Compute::kBf16},
    {"fp16", Compute::kFp16},
};

constexpr Choice<KeptIn> kKeptIns[] = {
    {"auto", KeptIn::kAuto},
    {"fp32", KeptIn::kFp32},
    {"compute", KeptIn::kCompute},
};

constexpr Choice<Master> kMasters[] = {
    {"fp32", Master::kFp32},
    {"none", Master::kNone},
};

constexpr Choice<StateType> kStateTypes[] = {
    {"fp32", StateType::kFp32},
    {"bf16", StateType::kBf16},
};

constexpr Choice<LossScaleKind> kRules[] = {
    {"auto", kAutoRule},
    {"megatron", LossScaleKind::kMegatron},
    {"deepspeed", LossScaleKind::kDeepSpeed},
    {"torch", LossScaleKind::kTorch},
};

// The automatic values for each compute type, the order of Compute.
struct Defaults {
  KeptIn residual;
  KeptIn gradients;
  KeptIn reduce;
  double loss_scale;
};
constexpr Defaults kDefaults[] = {
    {KeptIn::kFp32, KeptIn::kFp32, KeptIn::kFp32, 1},
    {KeptIn::kCompute, KeptIn::kFp32, KeptIn::kFp32, 1},
    {KeptIn::kCompute, KeptIn::kFp32, KeptIn::kFp32, kDynamicScale},
};

// The automatic values of a dynamic loss scale by rule, in the order of kRules.
struct ScaleDefaults {
  std::int64_t initial_power;
  std::int64_t window;
  std::int64_t hysteresis;
  double minimum;
};
constexpr ScaleDefaults kScaleDefaults[] = {
    {},
    {32, 1000, 2, 1},
    {32, 1000, 2, 1},
    {16, 2000, 1, 0x1p-24},
};

// The keys that only a dynamic scale has.
constexpr const char* kScaleKeys[] = {"precision.scale_rule",
                                      "precision.initial_scale_power",
                                      "precision.scale_window",
                                      "precision.hysteresis",
                                      "precision.minimum_scale"};

const char* name_of(Compute compute) {
  return kComputes[static_cast<std::size_t>(compute)].name;
}

DType type_in(const PrecisionConfig& config, KeptIn kept) {
  return kept == KeptIn::kFp32 ? DType::kF32 : compute_type(config);
}

template <typename T>
void fill_in(T& value, T automatic, T own) {
  value = value == automatic ? own : value;
}

void resolve_dynamic_scale(PrecisionConfig& c) {
  fill_in(c.scale_rule, kAutoRule, LossScaleKind::kMegatron);
  const auto rule =
      std::ranges::find(kRules, c.scale_rule, &Choice<LossScaleKind>::value);
  const ScaleDefaults& own = kScaleDefaults[rule - std::begin(kRules)];
  fill_in(c.initial_scale_power, kAutoScale, own.initial_power);
  fill_in(c.scale_window, kAutoScale, own.window);
  fill_in(c.hysteresis, kAutoScale, own.hysteresis);
  fill_in(c.minimum_scale, static_cast<double>(kAutoScale), own.minimum);
}

// "precision.scale_window = 500, precision.hysteresis = 3": those of a dynamic
// scale that are set.
std::string set_scale_keys(PrecisionConfig config) {
  Fields fields;
  visit(fields, config);
  std::string text;
  for (const char* key : kScaleKeys) {
    const std::string value = fields.find(key)->text();
    if (value != "\"auto\"") {
      text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", key, value);
    }
  }
  return text;
}

// Refuses a scale where there is none, together with all that would be of it.
void validate_no_scale(const PrecisionConfig& c) {
  if (c.loss_scale == 1) {
    return;
  }
  const std::string of_it = set_scale_keys(c);
  throw UsageError(
      "precision.loss_scale: wanted 1 beside precision.compute = \"{}\", "
      "whose exponents have the range of fp32's, so that no gradient gets "
      "lost; got {}; \"fp16\" would take one{}",
      name_of(c.compute),
      c.loss_scale == kDynamicScale ? std::string("\"dynamic\"")
                                    : fmt::format("{:g}", c.loss_scale),
      of_it.empty() ? "" : fmt::format("; and \"auto\" instead of {}", of_it));
}

// Without a dynamic scale its keys would do nothing.
void validate_no_scale_keys(const PrecisionConfig& c) {
  const std::string keys = set_scale_keys(c);
  if (keys.empty()) {
    return;
  }
  const bool is_fp16 = c.compute == Compute::kFp16;
  throw UsageError(
      "{}: wanted \"auto\" beside precision.{}, as only a dynamic loss scale "
      "has such keys; {}precision.loss_scale = \"dynamic\" would take them",
      keys,
      is_fp16 ? fmt::format("loss_scale = {:g}", c.loss_scale)
              : fmt::format("compute = \"{}\"", name_of(c.compute)),
      is_fp16 ? "" : "precision.compute = \"fp16\" with ");
}

}  // namespace

void visit(Fields& fields, PrecisionConfig& c) {
  fields.section("precision", "Number formats.");
  fields.choice("compute",
                c.compute,
                "The type of the weights that layers read, and of activations. "
                "Products add up in fp32.",
                kComputes);
  fields.flag("tf32",
              c.tf32,
              "Whether a GPU's products read fp32 numbers with 11 significant "
              "bits (TF32), which is faster; sums stay in fp32. Only with "
              "compute fp32 and train.device cuda.");
  fields.choice(
      "residual",
      c.residual,
      "The type of the residual stream and of its gradient, on a "
      "rank as between stages; auto: compute. In fp32 all are the same.",
      kKeptIns);
  fields.choice("gradients",
                c.gradients,
                "The type in which the gradients of weights are accumulated; "
                "auto: fp32.",
                kKeptIns);
  fields.choice("reduce",
                c.reduce,
                "The type that these have on their way between ranks; auto: "
                "fp32.",
                kKeptIns);
  fields.choice("master",
                c.master,
                "What updates change: fp32 masters, of which the weights are "
                "copies; or none: bf16 weights alone, which are rounded "
                "stochastically.",
                kMasters);
  fields.choice("states",
                c.states,
                "The type of the optimizer's states; bf16 is rounded "
                "stochastically.",
                kStateTypes);
  fields.number("loss_scale",
                c.loss_scale,
                "The factor of the loss that keeps small gradients within "
                "fp16: fixed, or dynamic, which falls when a gradient "
                "overflows; auto: dynamic for fp16, else 1, which is none.",
                {.least = 0,
                 .low = End::kExcluded,
                 .automatic = kAutoScale,
                 .dynamic = kDynamicScale});
  fields.choice("scale_rule",
                c.scale_rule,
                "Whose rule a dynamic scale follows; auto: megatron. This key "
                "and those below take a dynamic scale, without which they stay "
                "auto.",
                kRules);
  fields.whole("initial_scale_power",
               c.initial_scale_power,
               "A dynamic scale starts at 2 to this power; auto: 32, or 16 for "
               "torch.",
               {.least = 0, .most = 126, .automatic = kAutoScale});
  fields.whole("scale_window",
               c.scale_window,
               "Updates without an overflow after which it doubles; auto: "
               "1000, or 2000 for torch.",
               {.least = 1, .most = 1LL << 40, .automatic = kAutoScale});
  fields.whole("hysteresis",
               c.hysteresis,
               "Overflows until it falls; auto: 2, or 1 for torch.",
               {.least = 1, .most = 1 << 20, .automatic = kAutoScale});
  fields.number("minimum_scale",
                c.minimum_scale,
                "It never falls below: an overflow there ends the run under "
                "deepspeed's rule; auto: 1, or 2^-24 for torch.",
                {.least = 0, .low = End::kExcluded, .automatic = kAutoScale});
}

void resolve(PrecisionConfig& c) {
  const Defaults& own = kDefaults[static_cast<std::size_t>(c.compute)];
  fill_in(c.residual, KeptIn::kAuto, own.residual);
  fill_in(c.gradients, KeptIn::kAuto, own.gradients);
  fill_in(c.reduce, KeptIn::kAuto, own.reduce);
  fill_in(c.loss_scale, static_cast<double>(kAutoScale), own.loss_scale);
  if (c.loss_scale == kDynamicScale) {
    resolve_dynamic_scale(c);
  }
}

void validate(const PrecisionConfig& c) {
  if (c.tf32 && c.compute != Compute::kFp32) {
    throw UsageError(
        "precision.tf32: wanted false beside precision.compute = \"{}\", got "
        "true: it is about products of fp32 numbers; precision.compute = "
        "\"fp32\" has these",
        name_of(c.compute));
  }
  if (c.compute != Compute::kFp16) {
    validate_no_scale(c);
  }
  if (c.loss_scale != kDynamicScale) {
    validate_no_scale_keys(c);
  }
  if (c.master == Master::kNone && c.compute != Compute::kBf16) {
    throw UsageError(
        "precision.master: wanted \"fp32\" beside precision.compute = "
        "\"{}\", got \"none\": {}",
        name_of(c.compute),
        c.compute == Compute::kFp16
            ? "an update is too small beside a weight for fp16's range; "
              "precision.compute = \"bf16\" would do"
            : "fp32 weights are masters themselves");
  }
  if (c.loss_scale == kDynamicScale && first_loss_scale(c) < c.minimum_scale) {
    throw UsageError(
        "precision.minimum_scale: wanted at most the first scale, 2 to "
        "precision.initial_scale_power, {}, got {:g}",
        c.initial_scale_power,
        c.minimum_scale);
  }
}

DType compute_type(const PrecisionConfig& config) {
  constexpr DType kTypes[] = {DType::kF32, DType::kBf16, DType::kF16};
  return kTypes[static_cast<std::size_t>(config.compute)];
}

kernels::F32Product f32_product(const PrecisionConfig& config) {
  return config.tf32 ? kernels::F32Product::kTf32 : kernels::F32Product::kF32;
}

model::Types model_types(const PrecisionConfig& config) {
  return {.compute = compute_type(config),
          .residual = type_in(config, config.residual),
          .gradients = type_in(config, config.gradients)};
}

DType reduce_type(const PrecisionConfig& config) {
  return type_in(config, config.reduce);
}

DType master_type(const PrecisionConfig& config) {
  return config.master == Master::kNone ? compute_type(config) : DType::kF32;
}

DType state_type(const PrecisionConfig& config) {
  return config.states == StateType::kBf16 ? DType::kBf16 : DType::kF32;
}

bool has_masters(const PrecisionConfig& config) {
  return master_type(config) != compute_type(config);
}

bool scales_loss(const PrecisionConfig& config) {
  return config.compute == Compute::kFp16;
}

kernels::LossScaleRule loss_scale_rule(const PrecisionConfig& config) {
  if (!scales_loss(config)) {
    return {};
  }
  if (config.loss_scale != kDynamicScale) {
    return {.kind = LossScaleKind::kFixed};
  }
  return {.kind = config.scale_rule,
          .window = config.scale_window,
          .hysteresis = config.hysteresis,
          .minimum = static_cast<float>(config.minimum_scale)};
}

float first_loss_scale(const PrecisionConfig& config) {
  return config.loss_scale == kDynamicScale
             ? std::ldexp(1.0F, static_cast<int>(config.initial_scale_power))
             : static_cast<float>(config.loss_scale);
}

kernels::LossScaleState first_loss_scale_state(const PrecisionConfig& config) {
  return kernels::first_state(loss_scale_rule(config),
                              first_loss_scale(config));
}

kernels::LossScaleState next_loss_scale_state(
    const PrecisionConfig& config,
    const std::optional<kernels::LossScaleState>& saved) {
  if (!saved || config.loss_scale != kDynamicScale) {
    return first_loss_scale_state(config);
  }
  kernels::LossScaleState state = *saved;
  state.scale = std::max(state.scale, static_cast<float>(config.minimum_scale));
  state.tracker = std::min(state.tracker, config.hysteresis);
  return state;
}

}  // namespace dure::train
