#include "dure/train/updater.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "dure/kernels/count_exponents.h"
#include "dure/kernels/squared_norm.h"
#include "dure/kernels/transfer.h"
#include "dure/optim/optimizer.h"
#include "dure/optim/schedule.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

using kernels::CountExponents;
using kernels::DecideUpdate;
using kernels::kSumDigits;
using parallel::Access;

constexpr auto kDigits = static_cast<std::size_t>(kSumDigits);

std::vector<parallel::ReplicatedSlice> replicated_of(Rank& rank,
                                                     RankModel& rank_model) {
  return find_replicated(rank_model.store().slices(),
                         rank_model.parameters(),
                         rank.tensor().ranks->size(),
                         rank.tensor().rows);
}

const nn::Parameter& parameter_of(const RankModel& rank_model, int weight) {
  return rank_model.parameters()[weight];
}

template <typename Numbers>
void upload(Stream& stream, Tensor y, const Numbers& host) {
  launch(stream,
         kernels::Upload{.y = y, .host = std::as_bytes(std::span(host))});
}

template <typename T>
void download(Stream& stream, std::vector<T>& host, ConstTensor x) {
  launch(stream,
         kernels::Download{.host = std::as_writable_bytes(std::span(host)),
                           .x = x});
}

void clear(Stream& stream, Tensor digits) {
  upload(
      stream,
      digits,
      std::vector<std::int64_t>(static_cast<std::size_t>(digits.elements())));
}

void add_up(Stream& stream, comm::Communicator& ranks, Tensor digits) {
  ranks.run(stream, comm::AllReduce{.y = digits, .x = digits});
}

bool counts_any(const UpdateRecord& record) {
  return std::ranges::find(record.is_counted, true) != record.is_counted.end();
}

}  // namespace

Updater::Updater(Rank& rank,
                 RankModel& rank_model,
                 const Config& config,
                 Reach reach)
    : rank_(rank),
      rank_model_(rank_model),
      config_(config.optimizer),
      reach_(reach),
      after_nonfinite_(reach == Reach::kJoint &&
                               config.train.on_nonfinite == OnNonfinite::kSkip
                           ? kernels::AfterNonfinite::kGoOn
                           : kernels::AfterNonfinite::kStop),
      replicated_sums_(rank.tensor(),
                       rank_model.store().slices(),
                       replicated_of(rank, rank_model)),
      pieces_(counted(rank_model.store().slices(),
                      replicated_of(rank, rank_model),
                      rank.place().part(mesh::Axis::kTensor))),
      loss_scale_rule_(reach == Reach::kJoint
                           ? train::loss_scale_rule(config.precision)
                           : kernels::LossScaleRule()),
      seed_(static_cast<std::uint64_t>(config.train.seed)),
      count_every_(config.log.gradient_histogram_every) {
  const optim::OptimizerRow& row = *config_.name;
  const bool has_own = row.gradients == kernels::GradientOf::kThisRank;
  rank_model.store().add_states(row.states(config_).size());
  for (parallel::Counted& piece : pieces_) {
    const nn::Parameter& parameter =
        parameter_of(rank_model, piece.slice.weight);
    // The embedding's stage counts a tied weight, and the first shard group
    // counts what several own.
    if (piece.counted == kernels::CountedBy::kThisRank &&
        !rank_model.is_copy(parameter)) {
      norm_.push_back(piece.slice);
      weight_places_.push_back(place_of(piece.slice.weight));
      is_counted_.push_back(has_own || is_first_of(piece.slice));
    }
    if (!is_first_of(piece.slice)) {
      piece.counted = kernels::CountedBy::kAnother;
    }
  }
  const auto room = [&](const Shape& shape, DType dtype) {
    return rank.arena.tensor(shape, Category::kWorkspace, dtype);
  };
  control_ = room({kernels::kDecisions + row.rates}, DType::kF32);
  counters_ = room({DecideUpdate::kCounters}, DType::kI64);
  if (row.measure != nullptr) {
    weight_sums_ = room({std::ssize(rank_model.parameters().all()),
                         optim::kWeightSums,
                         kSumDigits},
                        DType::kI64);
  }
  loss_scale_ = room({1}, DType::kF32);
  loss_scale_numbers_ = room({kernels::kLossScaleNumbers}, DType::kI64);
  find_blocks();
  if (count_every_ > 0) {
    counter_.emplace(rank, rank_model, counted_slices());
  }
  spans_.reserve(pieces_.size());
  gradients_.reserve(norm_.size());
  set_updates(0);
  set_loss_scale(first_loss_scale_state(config.precision));
}

// The weight's index in the model's table.
std::int64_t Updater::place_of(int weight) const {
  return rank_model_.weights().place(parameter_of(rank_model_, weight).name);
}

// The slices that this rank counts in a sum over all ranks that has each
// gradient once.
std::vector<parallel::Slice> Updater::counted_slices() const {
  std::vector<parallel::Slice> slices;
  for (std::size_t i = 0; i < norm_.size(); ++i) {
    if (is_counted_[i]) {
      slices.push_back(norm_[i]);
    }
  }
  return slices;
}

// Only bf16 masters and states are rounded stochastically.
void Updater::find_blocks() {
  const parallel::ParameterStore& store = rank_model_.store();
  if (store.master_type() == DType::kF32 && store.state_type() == DType::kF32) {
    return;
  }
  const WeightCuts cuts(rank_model_.config(), rank_.place());
  for (const parallel::Counted& piece : pieces_) {
    const mesh::LocalPart local =
        cuts.local(parameter_of(rank_model_, piece.slice.weight).name);
    std::vector<kernels::ElementBlock>& blocks = blocks_.emplace_back();
    for (const mesh::Stretch& stretch :
         local.stretches(piece.slice.offset, piece.slice.elements)) {
      kernels::add_run(blocks,
                       {.local = stretch.local - piece.slice.offset,
                        .global = stretch.global,
                        .length = stretch.length});
    }
  }
}

void Updater::set_loss_scale(const kernels::LossScaleState& state) {
  first_loss_scale_ = state;
  upload(rank_.stream, loss_scale_, std::array{state.scale});
  upload(rank_.stream, loss_scale_numbers_, numbers_of(state));
}

void Updater::set_updates(std::int64_t updates) {
  upload(rank_.stream, counters_, std::vector<std::int64_t>{updates, 0});
}

void Updater::make(UpdateRecord& record,
                   std::int64_t steps,
                   std::int64_t rates) {
  const std::int64_t K = config_.name->rates;
  const auto room = [&](const Shape& shape, DType dtype) {
    return rank_.arena.tensor(shape, Category::kWorkspace, dtype);
  };
  record = {.sums = room({2, steps, kSumDigits}, DType::kI64),
            .outcomes = room({steps, DecideUpdate::kOutcomes}, DType::kI64),
            .first_nonfinite = room({2, steps}, DType::kI64),
            .rates = room({rates, K}, DType::kF32),
            .first_update = room({1}, DType::kI64),
            .exponents =
                counter_ ? room({steps, CountExponents::kCounts}, DType::kI64)
                         : OwnedTensor()};
}

void Updater::begin(UpdateRecord& record, const Steps& steps) {
  const std::int64_t K = config_.name->rates;
  const std::int64_t n = steps.pending + steps.count;
  const std::int64_t known = steps.known;
  if (record.steps() != steps.count || record.rates.elements() != n * K) {
    make(record, steps.count, n);
  }
  const auto count = static_cast<std::size_t>(steps.count);
  record.host_sums.assign(2 * count * kDigits, 0);
  record.host_first_nonfinite.assign(count, std::ssize(norm_));
  record.host_first_nonfinite.resize(
      2 * count, std::ssize(rank_model_.parameters().all()));
  record.host_outcomes.clear();
  // The simulator decides nothing; every update counts as made.
  for (std::int64_t step = 0; step < steps.count; ++step) {
    std::ranges::copy(kernels::numbers_of(kernels::UpdateOutcome{
                          .is_made = true,
                          .updates_after = known + steps.pending + step + 1,
                          .scale_used = first_loss_scale_.scale,
                          .after = first_loss_scale_}),
                      std::back_inserter(record.host_outcomes));
  }
  record.host_rates.resize(static_cast<std::size_t>(n * K));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t update = known + i + 1;
    config_.name->fill_rates(config_,
                             update,
                             optim::learning_rate(update, config_),
                             std::span(record.host_rates)
                                 .subspan(static_cast<std::size_t>(i * K),
                                          static_cast<std::size_t>(K)));
  }
  record.host_first_update = known + 1;
  upload(rank_.stream, record.sums, record.host_sums);
  upload(rank_.stream, record.first_nonfinite, record.host_first_nonfinite);
  upload(rank_.stream, record.rates, record.host_rates);
  upload(rank_.stream,
         record.first_update,
         std::span(&record.host_first_update, 1));
  begin_counts(record, steps);
}

void Updater::begin_counts(UpdateRecord& record, const Steps& steps) {
  record.is_counted.clear();
  for (std::int64_t step = 0; step < steps.count; ++step) {
    record.is_counted.push_back(count_every_ > 0 &&
                                (steps.first_step + step) % count_every_ == 0);
  }
  if (counts_any(record)) {
    record.host_exponents.assign(
        static_cast<std::size_t>(record.exponents.elements()), 0);
    upload(rank_.stream, record.exponents, record.host_exponents);
  }
}

void Updater::count_exponents(UpdateRecord& record, std::int64_t step) {
  if (record.is_counted[static_cast<std::size_t>(step)]) {
    counter_->add_to(
        record.exponents.rows(step, 1).reshaped({CountExponents::kCounts}),
        loss_scale_);
  }
}

void Updater::read_counts(UpdateRecord& record) {
  if (!counts_any(record)) {
    return;
  }
  for (comm::Communicator* const ranks : {&rank_.group(mesh::kReplicas),
                                          rank_.tensor().ranks,
                                          &rank_.group(mesh::kStages)}) {
    add_up(rank_.stream, *ranks, record.exponents);
  }
  download(rank_.stream, record.host_exponents, record.exponents);
}

void Updater::update(UpdateRecord& record,
                     std::int64_t step,
                     int last_micro_batch) {
  parallel::ParameterStore& store = rank_model_.store();
  store.finish_gradients();
  replicated_sums_.run(store);
  count_exponents(record, step);
  if (reach_ == Reach::kJoint) {
    find_squares(record, step, Of::kCounted);
    add_over_ranks(record);
    decide(record, step);
  } else {
    find_squares(record, step, Of::kOwned);
    decide(record, step);
    leave_counted(record, step);
  }
  store.before_update(last_micro_batch);
  ahead_ = true;
  if (config_.name->measure != nullptr) {
    measure();
  }
  apply(record.first_weight(step));
  store.all_gather();
}

void Updater::read(UpdateRecord& record) {
  if (reach_ == Reach::kLocal) {
    add_over_ranks(record);
  }
  download(rank_.stream, record.host_sums, record.sums);
  download(rank_.stream, record.host_outcomes, record.outcomes);
  download(rank_.stream, record.host_first_nonfinite, record.first_nonfinite);
  read_counts(record);
}

std::optional<std::int64_t> Updater::nonfinite(const UpdateRecord& record,
                                               std::int64_t step) const {
  const auto first =
      static_cast<std::size_t>(record.host_first_nonfinite[step]);
  return first < weight_places_.size() ? std::optional(weight_places_[first])
                                       : std::nullopt;
}

std::optional<std::int64_t> Updater::overflowed(const UpdateRecord& record,
                                                std::int64_t step) const {
  const std::int64_t first =
      record
          .host_first_nonfinite[UpdateRecord::kWeights * record.steps() + step];
  return first < std::ssize(rank_model_.parameters().all())
             ? std::optional(place_of(static_cast<int>(first)))
             : std::nullopt;
}

bool Updater::is_first_of(const parallel::Slice& slice) const {
  return rank_model_.store().groups(slice.bucket).replicate->rank() == 0;
}

void Updater::find_squares(UpdateRecord& record, std::int64_t step, Of of) {
  parallel::ParameterStore& store = rank_model_.store();
  std::size_t next = 0;
  for (int bucket = 0; bucket < store.buckets(); ++bucket) {
    const parallel::Acquired acquired =
        store.acquire(bucket, {.gradient = Access::kRead});
    const auto first = static_cast<std::int64_t>(next);
    for (; next < norm_.size() && norm_[next].bucket == bucket; ++next) {
      const Tensor gradient = acquired.shard(norm_[next]).gradient;
      const bool counts = of == Of::kOwned || is_counted_[next];
      // An empty span keeps the numbers of the spans after it.
      gradients_.push_back(gradient.rows(0, counts ? gradient.elements() : 0));
    }
    launch(rank_.stream,
           kernels::SquaredNorm{.sum = record.squares(step),
                                .first_nonfinite = record.first_gradient(step),
                                .spans = gradients_,
                                .first_span = first});
    gradients_.clear();
  }
}

// A rank that decides alone uses all gradients that it owns, of which the sum
// over ranks takes only its share.
void Updater::leave_counted(UpdateRecord& record, std::int64_t step) {
  if (std::ranges::find(is_counted_, false) != is_counted_.end()) {
    clear(rank_.stream, record.squares(step));
    find_squares(record, step, Of::kCounted);
  }
}

void Updater::add_over_ranks(UpdateRecord& record) {
  add_up(rank_.stream, rank_.group(mesh::kReplicas), record.sums);
  add_up(rank_.stream,
         *rank_.tensor().ranks,
         record.sums.rows(UpdateRecord::kSquares, 1));
  add_up(rank_.stream, rank_.group(mesh::kStages), record.sums);
}

void Updater::decide(UpdateRecord& record, std::int64_t step) {
  launch(rank_.stream,
         DecideUpdate{.control = control_,
                      .outcome = record.outcomes.rows(step, 1).reshaped(
                          {DecideUpdate::kOutcomes}),
                      .counters = counters_,
                      .loss = record.loss(step),
                      .squares = record.squares(step),
                      .rates = record.rates,
                      .first_update = record.first_update,
                      .clip = config_.clip_gradient,
                      .after_nonfinite = after_nonfinite_,
                      .rule = loss_scale_rule_,
                      .loss_scale = loss_scale_,
                      .loss_scale_numbers = loss_scale_numbers_});
}

std::optional<kernels::StochasticRounding> Updater::rounding_of(
    std::ptrdiff_t piece) const {
  if (blocks_.empty()) {
    return std::nullopt;
  }
  const int weight = pieces_[static_cast<std::size_t>(piece)].slice.weight;
  return kernels::StochasticRounding{
      .stream = kernels::rounding_stream(
          seed_, parameter_of(rank_model_, weight).name),
      .blocks = blocks_[static_cast<std::size_t>(piece)]};
}

float Updater::decay_of(int weight) const {
  return parameter_of(rank_model_, weight).decays
             ? static_cast<float>(config_.weight_decay)
             : 0;
}

// Calls function(bucket) with spans_ set to all that this rank owns in it,
// whether it counts them or not. Only f16 overflows beside its master.
template <typename Function>
void Updater::for_each_bucket(Function&& function,
                              const Tensor& first_overflow) {
  parallel::ParameterStore& store = rank_model_.store();
  auto piece = pieces_.begin();
  for (int bucket = 0; bucket < store.buckets(); ++bucket) {
    const parallel::Acquired acquired = store.acquire(
        bucket,
        {Access::kWrite, Access::kWrite, Access::kRead, Access::kWrite});
    for (; piece != pieces_.end() && piece->slice.bucket == bucket; ++piece) {
      const parallel::Shard shard = acquired.shard(piece->slice);
      spans_.push_back({.master = shard.master,
                        .weight = shard.values,
                        .gradient = shard.gradient,
                        .states = shard.states,
                        .weight_decay = decay_of(shard.weight),
                        .row = shard.weight,
                        .counted = piece->counted,
                        .rounding = rounding_of(piece - pieces_.begin()),
                        .first_overflow = shard.values.dtype() == DType::kF16
                                              ? first_overflow
                                              : Tensor()});
    }
    function(bucket);
    spans_.clear();
  }
}

void Updater::measure() {
  clear(rank_.stream, weight_sums_);
  for_each_bucket([&](int /*bucket*/) {
    config_.name->measure(
        rank_.stream,
        config_,
        {.spans = spans_, .control = control_, .sums = weight_sums_});
  });
  add_up(rank_.stream, rank_.group(mesh::kReplicas), weight_sums_);
  add_up(rank_.stream, *rank_.tensor().ranks, weight_sums_);
}

void Updater::apply(const Tensor& first_overflow) {
  for_each_bucket(
      [&](int bucket) {
        config_.name->launch(
            rank_.stream,
            config_,
            {.spans = spans_,
             .control = control_,
             .sums = weight_sums_,
             .replicas = rank_model_.store().groups(bucket).all});
      },
      first_overflow);
}

}  // namespace dure::train
