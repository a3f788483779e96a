#include "dure/optim/optimizer.h"

#include "dure/kernels/elementwise.h"
#include "dure/kernels/update.h"

namespace dure::optim {
namespace {

using kernels::AdamWSpan;
using kernels::SgdSpan;

// One flat buffer with a part for every target, cleared.
class StateBuffer {
 public:
  StateBuffer(const std::vector<Target>& targets, Arena& arena, Stream& stream)
      : flat_(
            arena.tensor({total(targets)}, Category::kOptimizer, DType::kF32)) {
    launch(stream, kernels::Fill{.y = flat_, .value = 0});
  }

  Tensor take(std::int64_t elements) {
    const Tensor part = flat_.rows(used_, elements);
    used_ += elements;
    return part;
  }

 private:
  static std::int64_t total(const std::vector<Target>& targets) {
    std::int64_t sum = 0;
    for (const Target& target : targets) {
      sum += target.weight.elements();
    }
    return sum;
  }

  OwnedTensor flat_;
  std::int64_t used_ = 0;
};

Tensor flat(Tensor x) {
  return x.reshaped({x.elements()});
}
ConstTensor flat(ConstTensor x) {
  return x.reshaped({x.elements()});
}

constexpr const char* kMomentum = "momentum";
constexpr const char* kVariance = "variance";

State state_of(const Target& target, const char* kind, Tensor values) {
  return {.name = target.name + "." + kind,
          .tensor = values.reshaped(target.weight.shape()),
          .offset = target.offset};
}

float decay_of(const OptimizerConfig& config, const Target& target) {
  return target.decays ? static_cast<float>(config.weight_decay) : 0;
}

class AdamW final : public Optimizer {
 public:
  AdamW(const OptimizerConfig& config,
        const std::vector<Target>& targets,
        Arena& arena,
        Stream& stream)
      : config_(config),
        momentum_(targets, arena, stream),
        variance_(targets, arena, stream) {
    for (const Target& target : targets) {
      const std::int64_t n = target.weight.elements();
      const AdamWSpan span = {.weight = flat(target.weight),
                              .gradient = flat(target.gradient),
                              .momentum = momentum_.take(n),
                              .variance = variance_.take(n),
                              .weight_decay = decay_of(config, target)};
      spans_.push_back(span);
      states_.push_back(state_of(target, kMomentum, span.momentum));
      states_.push_back(state_of(target, kVariance, span.variance));
    }
  }

  void step(Stream& stream, double learning_rate, double grad_scale) override {
    ++updates_;
    launch(stream,
           kernels::AdamW{.spans = spans_,
                          .learning_rate = static_cast<float>(learning_rate),
                          .beta1 = static_cast<float>(config_.beta1),
                          .beta2 = static_cast<float>(config_.beta2),
                          .epsilon = static_cast<float>(config_.epsilon),
                          .step = updates_,
                          .grad_scale = static_cast<float>(grad_scale)});
  }

  std::span<const State> states() const override { return states_; }

 private:
  OptimizerConfig config_;
  StateBuffer momentum_;
  StateBuffer variance_;
  std::vector<AdamWSpan> spans_;
  std::vector<State> states_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config,
      const std::vector<Target>& targets,
      Arena& arena,
      Stream& stream)
      : config_(config),
        momentum_(config.momentum > 0 ? targets : std::vector<Target>(),
                  arena,
                  stream) {
    for (const Target& target : targets) {
      SgdSpan span = {.weight = flat(target.weight),
                      .gradient = flat(target.gradient),
                      .weight_decay = decay_of(config, target)};
      if (config.momentum > 0) {
        span.momentum = momentum_.take(target.weight.elements());
        states_.push_back(state_of(target, kMomentum, span.momentum));
      }
      spans_.push_back(span);
    }
  }

  void step(Stream& stream, double learning_rate, double grad_scale) override {
    ++updates_;
    launch(stream,
           kernels::Sgd{.spans = spans_,
                        .learning_rate = static_cast<float>(learning_rate),
                        .momentum = static_cast<float>(config_.momentum),
                        .grad_scale = static_cast<float>(grad_scale)});
  }

  std::span<const State> states() const override { return states_; }

 private:
  OptimizerConfig config_;
  StateBuffer momentum_;
  std::vector<SgdSpan> spans_;
  std::vector<State> states_;
};

}  // namespace

std::vector<std::string> state_kinds(const OptimizerConfig& config) {
  if (config.name == OptimizerKind::kAdamW) {
    return {kMomentum, kVariance};
  }
  return config.momentum > 0 ? std::vector<std::string>{kMomentum}
                             : std::vector<std::string>{};
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config,
                                          const std::vector<Target>& targets,
                                          Arena& arena,
                                          Stream& stream) {
  if (config.name == OptimizerKind::kSgd) {
    return std::make_unique<Sgd>(config, targets, arena, stream);
  }
  return std::make_unique<AdamW>(config, targets, arena, stream);
}

}  // namespace dure::optim
