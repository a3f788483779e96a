#include "dure/model/stack.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"

namespace dure::model {
namespace {

using parallel::Pass;

nn::Context quiet(const nn::Context& ctx) {
  nn::Context result = ctx;
  result.phase = nn::Phase::kEvaluate;
  return result;
}

}  // namespace

Stack::Stack(std::span<const UnitSpec> model,
             UnitRange range,
             const UnitParts& parts)
    : parameters_(&parts.parameters), range_(range) {
  for (int unit = range.first; unit < range.last; ++unit) {
    specs_.push_back(model[unit]);
    units_.push_back(specs_.back().make(parts));
  }
}

template <typename Function>
void Stack::visit(nn::Context& ctx,
                  std::size_t unit,
                  Pass pass,
                  Function&& function) const {
  const std::optional<nn::Access> access = specs_[unit].accesses.of(pass);
  if (access) {
    parameters_->in_unit(ctx,
                         range_.first + static_cast<int>(unit),
                         *access,
                         std::forward<Function>(function));
  } else {
    function();
  }
}

void Stack::prepare(Saved& saved) const {
  if (saved.owner == this) {
    return;
  }
  saved.owner = this;
  saved.units.clear();
  for (const std::unique_ptr<Unit>& unit : units_) {
    saved.units.push_back(unit->make_saved());
  }
}

Streams Stack::forward(nn::Context& ctx,
                       Streams streams,
                       const Batch& batch,
                       Saved& saved) const {
  prepare(saved);
  for (std::size_t i = 0; i < units_.size(); ++i) {
    visit(ctx, i, Pass::kForward, [&] {
      units_[i]->forward(ctx, streams, batch, *saved.units[i]);
    });
  }
  return streams;
}

Streams Stack::backward_of(nn::Context& ctx,
                           Streams gradients,
                           const Batch& batch,
                           Saved& saved,
                           Pass pass) const {
  saved.units.back()->prepare(ctx);
  for (std::size_t i = units_.size(); i-- > 0;) {
    if (i > 0) {
      saved.units[i - 1]->prepare(ctx);
    }
    nn::Context unit_ctx = ctx;
    if (pass == Pass::kInputGradient && specs_[i].accesses.weight) {
      unit_ctx.deferred = &saved.deferred[i];
    }
    visit(ctx, i, pass, [&] {
      units_[i]->backward(unit_ctx, gradients, batch, *saved.units[i]);
    });
  }
  return gradients;
}

Streams Stack::backward(nn::Context& ctx,
                        Streams gradients,
                        const Batch& batch,
                        Saved& saved) const {
  return backward_of(ctx, std::move(gradients), batch, saved, Pass::kBackward);
}

Streams Stack::backward_input(nn::Context& ctx,
                              Streams gradients,
                              const Batch& batch,
                              Saved& saved) const {
  saved.deferred.resize(units_.size());
  return backward_of(
      ctx, std::move(gradients), batch, saved, Pass::kInputGradient);
}

void Stack::backward_weights(nn::Context& ctx, Saved& saved) const {
  for (std::size_t i = units_.size(); i-- > 0;) {
    if (specs_[i].accesses.weight) {
      visit(ctx, i, Pass::kWeightGradient, [&] { saved.deferred[i].run(ctx); });
    }
  }
}

Streams Stack::run(nn::Context& ctx,
                   Streams streams,
                   const Batch& batch) const {
  nn::Context without = quiet(ctx);
  for (std::size_t i = 0; i < units_.size(); ++i) {
    parameters_->in_unit(without,
                         range_.first + static_cast<int>(i),
                         nn::Access::kParameters,
                         [&] { units_[i]->run(without, streams, batch); });
  }
  return streams;
}

Streams Stack::read(nn::Context& ctx,
                    Streams streams,
                    const DecodeBatch& batch,
                    const Cache& cache) const {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    parameters_->in_unit(
        ctx, range_.first + static_cast<int>(i), nn::Access::kParameters, [&] {
          units_[i]->read(ctx, streams, batch, cache.units[i]);
        });
  }
  return streams;
}

std::int64_t Stack::cache_elements(std::int64_t texts,
                                   std::int64_t positions) const {
  std::int64_t elements = 0;
  for (const std::unique_ptr<Unit>& unit : units_) {
    const std::optional<Shape> shape = unit->cache_shape(texts, positions);
    elements += shape ? shape->elements() : 0;
  }
  return elements;
}

Stack::Cache Stack::make_cache(Tensor memory,
                               std::int64_t texts,
                               std::int64_t positions) const {
  memory.expect("memory", {cache_elements(texts, positions)}, memory.dtype());
  Cache cache;
  std::int64_t first = 0;
  for (const std::unique_ptr<Unit>& unit : units_) {
    Unit::Cache& own = cache.units.emplace_back();
    if (const auto shape = unit->cache_shape(texts, positions)) {
      const Tensor both =
          memory.rows(first, shape->elements()).reshaped(*shape);
      own = {.k = both.rows(0, texts), .v = both.rows(texts, texts)};
      first += shape->elements();
    }
  }
  return cache;
}

Stack::Cache Stack::Cache::of_texts(std::int64_t first,
                                    std::int64_t count) const {
  Cache some = *this;
  for (Unit::Cache& unit : some.units) {
    if (unit.k) {
      unit = {.k = unit.k.rows(first, count), .v = unit.v.rows(first, count)};
    }
  }
  return some;
}

bool Stack::reads_tokens() const {
  return std::ranges::any_of(
      specs_, [](const UnitSpec& spec) { return spec.reads_tokens; });
}

bool Stack::makes_loss() const {
  return std::ranges::any_of(
      specs_, [](const UnitSpec& spec) { return spec.makes_loss; });
}

void for_each_buffer(Stack::Saved& saved, const nn::BufferVisitor& visit) {
  for (const std::unique_ptr<UnitSaved>& unit : saved.units) {
    unit->for_each_buffer(visit);
  }
  for (nn::WeightGradientStore& queue : saved.deferred) {
    queue.for_each_buffer(visit);
  }
}

}  // namespace dure::model
