#include "dure/parity/parity.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <mutex>
#include <numeric>
#include <tuple>
#include <utility>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/weights.h"
#include "dure/parity/gain_scale.h"
#include "dure/parity/pieces.h"
#include "dure/run/check_replicas.h"
#include "dure/run/source.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"

namespace dure::train {
namespace {

constexpr const char* kOfLayout = "the layout";
constexpr const char* kOfReference = "the reference";

int ranks_in(const Config& config) {
  return static_cast<int>(ranks_of(config.parallel));
}

bool has_flush(const Config& config) {
  return parallel::is_synchronous(config.parallel.schedule);
}

// Numbers as bounds take them.
double relative(double here, double reference) {
  if (same_number(here, reference)) {
    return 0;
  }
  const double share = std::fabs(here - reference) / std::fabs(reference);
  return std::isnan(share) ? std::numeric_limits<double>::infinity() : share;
}

// The index of an element of the whole, which is row-major.
std::vector<std::int64_t> index_of(std::int64_t element,
                                   const mesh::Dims& shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    index[d] = element % shape[d];
    element /= shape[d];
  }
  return index;
}

// A difference, and where it stands among others.
struct Found {
  ParityDifference difference;
  std::int64_t weight = 0;  // in the model's table

  auto place() const {
    return std::tuple(difference.step,
                      difference.quantity,
                      weight,
                      difference.element,
                      difference.rank);
  }
};

// The state that threads of both sides share. Between two barriers it is either
// written or read, except for members that the mutex protects.
struct Board {
  const ParityOptions& options;
  ParityRule rule;
  std::vector<model::WeightSpec> specs;
  ParityReport report = {};

  // Members of the reference; results are those of its first rank.
  std::vector<const Pieces*> reference;  // by rank
  std::vector<StepResult> results = {};
  Pieces merged = {};
  Largest largest = {};

  std::mutex mutex = {};
  std::vector<const Pieces*> layout;  // by rank
  std::optional<Found> found = {};

  void add(Found other) {
    const std::lock_guard lock(mutex);
    if (!found || other.place() < found->place()) {
      found = std::move(other);
    }
  }
};

// The quantities of one step that a rank of the layout has, held to the
// reference's.
class StepComparison {
 public:
  StepComparison(Board& board, int rank, std::int64_t step)
      : board_(board), rank_(rank), step_(step) {}

  void number(Quantity quantity, double here, double reference) {
    const double difference = relative(here, reference);
    const Bound bound = board_.rule.bound(quantity, step_);
    if (bound && !(difference <= *bound)) {
      board_.add({.difference = {.step = step_,
                                 .quantity = quantity,
                                 .here = here,
                                 .reference = reference,
                                 .scale = std::fabs(reference),
                                 .bound = *bound,
                                 .rank = rank_}});
    }
  }

  void gradients(const Pieces& here, ParityStep& step) {
    for (std::size_t w = 0; w < here.size(); ++w) {
      compare_weight(w,
                     here[w],
                     {Quantity::kGradient,
                      PieceOf::kGradient,
                      board_.largest.gradients[w]},
                     {step.gradient_difference, step.worst_gradient});
    }
  }

  void weights(const Pieces& here, ParityStep& step) {
    for (std::size_t w = 0; w < here.size(); ++w) {
      compare_weight(
          w,
          here[w],
          {Quantity::kWeight, PieceOf::kValues, board_.largest.values[w]},
          {step.weight_difference, step.worst_weight});
    }
  }

 private:
  struct What {
    Quantity quantity;
    PieceOf of;
    double largest;
  };
  struct Worst {
    double& difference;
    std::string& weight;
  };

  void compare_weight(std::size_t w,
                      std::span<const Piece> here,
                      const What& what,
                      const Worst& worst) {
    const Bound bound = board_.rule.bound(what.quantity, step_);
    const ElementDifference difference =
        compare({.here = here,
                 .reference = board_.merged[w],
                 .of = what.of,
                 .most = bound.value_or(0) * what.largest,
                 .largest = what.largest});
    const model::WeightSpec& spec = board_.specs[w];
    if (difference.worst > worst.difference) {
      worst.difference = difference.worst;
      worst.weight = spec.name;
    }
    if (bound && difference.element >= 0) {
      board_.add(
          {.difference = {.step = step_,
                          .quantity = what.quantity,
                          .weight = spec.name,
                          .element = difference.element,
                          .index = index_of(difference.element, spec.logical),
                          .here = difference.here,
                          .reference = difference.reference,
                          .scale = what.largest,
                          .is_of_terms = what.quantity == Quantity::kGradient &&
                                         reader_of(board_.specs, w).has_value(),
                          .bound = *bound,
                          .rank = rank_},
           .weight = static_cast<std::int64_t>(w)});
    }
  }

  Board& board_;
  int rank_;
  std::int64_t step_;
};

// A larger difference of another rank takes the place of this one.
void take_worse(ParityStep& all, const ParityStep& one) {
  all.loss_difference = std::max(all.loss_difference, one.loss_difference);
  all.norm_difference = std::max(all.norm_difference, one.norm_difference);
  if (one.gradient_difference > all.gradient_difference) {
    all.gradient_difference = one.gradient_difference;
    all.worst_gradient = one.worst_gradient;
  }
  if (one.weight_difference > all.weight_difference) {
    all.weight_difference = one.weight_difference;
    all.worst_weight = one.worst_weight;
  }
}

// Gradients that both sides leave out are not compared: which of them overflow
// first, and to what, depends on the order of sums.
bool both_skip(const StepResult& here, const StepResult& reference) {
  return here.skipped && reference.skipped;
}

ParityStep numbers_of(const StepResult& here, const StepResult& reference) {
  return {
      .step = here.step,
      .loss = here.loss,
      .norm = here.grad_norm,
      .reference_loss = reference.loss,
      .reference_norm = reference.grad_norm,
      .loss_difference = relative(here.loss, reference.loss),
      .norm_difference = both_skip(here, reference)
                             ? 0
                             : relative(here.grad_norm, reference.grad_norm)};
}

enum class Side : std::uint8_t { kLayout, kReference };

// One rank of either side.
class ParityRank {
 public:
  // `everyone`: the ranks of the layout, and behind them the reference's.
  ParityRank(comm::Communicator& everyone, Board& board)
      : board_(board),
        everyone_(everyone),
        side_(everyone.rank() < ranks_in(board.options.layout)
                  ? Side::kLayout
                  : Side::kReference),
        config_(side_ == Side::kLayout ? board.options.layout
                                       : board.options.reference),
        world_(make_world(everyone)),
        wrapped_(side_ == Side::kLayout && board.options.wrap
                     ? board.options.wrap(*world_)
                     : nullptr),
        rank_(rank_options()),
        trainer_(rank_, config_) {}

  void run() {
    const Path source = find_source(rank_, config_, log());
    if (!source.empty()) {
      load_source(rank_, trainer_, source, log());
    }
    const std::int64_t steps = board_.options.steps;
    std::int64_t done = 0;
    while (done < steps && !board_.found) {
      const std::int64_t count =
          has_flush(config_)
              ? 1
              : std::min(steps - done, config_.parallel.drain_every);
      take_steps(count);
      done += count;
    }
    if (!board_.found) {
      evaluate();
    }
  }

 private:
  std::unique_ptr<comm::Communicator> make_world(comm::Communicator& everyone) {
    const int first =
        side_ == Side::kLayout ? 0 : ranks_in(board_.options.layout);
    std::vector<int> ranks(static_cast<std::size_t>(ranks_in(config_)));
    std::iota(ranks.begin(), ranks.end(), first);
    return everyone.own_group(ranks,
                              side_ == Side::kLayout ? "layout" : "reference");
  }

  RankOptions rank_options() {
    RankOptions options = train::rank_options(config_);
    options.world = wrapped_ != nullptr ? wrapped_.get() : world_.get();
    return options;
  }

  // Only one rank speaks, so that each message is said once.
  Log log() const {
    return speaks() ? board_.options.log
                    : Log(Log::Options{.level = Log::Level::kWarning});
  }
  int number() const { return rank_.world().rank(); }
  bool speaks() const { return side_ == Side::kLayout && rank_.is_first(); }

  // All are here: what was found before is what all of them see.
  void take_steps(std::int64_t count) {
    const std::vector<StepResult> results =
        trainer_.steps(*board_.options.dataset, static_cast<int>(count));
    {
      const HeldPieces held(
          rank_,
          trainer_.rank_model(),
          static_cast<float>(results.back().loss_scale.value_or(1)));
      show(held.all(), results);
      everyone_.barrier();
      if (side_ == Side::kReference && rank_.is_first()) {
        board_.merged = merged(board_.reference, board_.specs, kOfReference);
        board_.largest = largest_of(board_.merged);
        raise_gain_scales(board_.largest, board_.merged, board_.specs);
      }
      if (speaks()) {
        merged(board_.layout, board_.specs, kOfLayout);
        begin_lines(results);
      }
      everyone_.barrier();
      if (side_ == Side::kLayout) {
        compare_steps(held.all(), results);
      }
      everyone_.barrier();
    }
    if (speaks()) {
      end_lines(count);
    }
    if (!board_.found) {
      check_replicas(rank_, trainer_);
    }
  }

  void show(const Pieces& pieces, const std::vector<StepResult>& results) {
    const auto rank = static_cast<std::size_t>(number());
    if (side_ == Side::kLayout) {
      board_.layout[rank] = &pieces;
    } else {
      board_.reference[rank] = &pieces;
      if (rank_.is_first()) {
        board_.results = results;
      }
    }
  }

  void begin_lines(const std::vector<StepResult>& results) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      board_.report.steps.push_back(numbers_of(results[i], board_.results[i]));
    }
    board_.report.steps.back().has_elements = true;
  }

  void compare_steps(const Pieces& pieces,
                     const std::vector<StepResult>& results) {
    std::vector<ParityStep> lines;
    for (std::size_t i = 0; i < results.size(); ++i) {
      const StepResult& reference = board_.results[i];
      StepComparison comparison(board_, number(), results[i].step);
      ParityStep& line = lines.emplace_back(numbers_of(results[i], reference));
      comparison.number(Quantity::kLoss, results[i].loss, reference.loss);
      const bool is_last = i + 1 == results.size();
      if (!both_skip(results[i], reference)) {
        comparison.number(
            Quantity::kNorm, results[i].grad_norm, reference.grad_norm);
        if (is_last) {
          comparison.gradients(pieces, line);
        }
      }
      if (is_last) {
        comparison.weights(pieces, line);
      }
    }
    const std::lock_guard lock(board_.mutex);
    const auto all = std::span(board_.report.steps).last(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      take_worse(all[i], lines[i]);
    }
  }

  void end_lines(std::int64_t count) {
    for (const ParityStep& line :
         std::span(board_.report.steps).last(static_cast<std::size_t>(count))) {
      if (board_.options.on_step) {
        board_.options.on_step(line);
      }
    }
  }

  // Evaluates the first global batch, whose losses only the host adds up.
  void evaluate() {
    const double loss =
        trainer_.evaluate(*board_.options.dataset, config_.train.global_batch)
            .value();
    if (rank_.is_first()) {
      (side_ == Side::kLayout ? board_.report.evaluation
                              : board_.report.reference_evaluation) = loss;
    }
    everyone_.barrier();
    if (side_ == Side::kLayout) {
      StepComparison(board_, number(), board_.options.steps)
          .number(
              Quantity::kEvaluation, loss, board_.report.reference_evaluation);
    }
  }

  Board& board_;
  comm::HostRanks everyone_;
  Side side_;
  Config config_;
  std::unique_ptr<comm::Communicator> world_;
  std::unique_ptr<comm::Communicator> wrapped_;
  Rank rank_;
  Trainer trainer_;
};

std::int64_t elements_of(const std::vector<model::WeightSpec>& specs) {
  return std::accumulate(specs.begin(),
                         specs.end(),
                         std::int64_t{0},
                         [](std::int64_t sum, const auto& spec) {
                           return sum + mesh::elements(spec.logical);
                         });
}

std::string where(const ParityDifference& difference) {
  if (difference.weight.empty()) {
    return name_of(difference.quantity);
  }
  return fmt::format("{} of {}, element {} (at [{}])",
                     name_of(difference.quantity),
                     difference.weight,
                     difference.element,
                     fmt::join(difference.index, ", "));
}

}  // namespace

std::string describe(const ParityDifference& difference) {
  const double apart = std::fabs(difference.here - difference.reference);
  const bool is_number = difference.weight.empty();
  return fmt::format(
      "step {}: the {} is {:.{}g} on rank {} of the layout, and {:.{}g} on the "
      "reference: {:.3g} apart, {:.3g} of {}; docs/numerics.md allows {}",
      difference.step,
      where(difference),
      difference.here,
      is_number ? 17 : 9,
      difference.rank,
      difference.reference,
      is_number ? 17 : 9,
      apart,
      apart / difference.scale,
      is_number                ? "the reference's"
      : difference.is_of_terms ? "the norm of its terms, which cancel"
                               : "the largest element",
      difference.bound == 0 ? "no difference" : text_of(difference.bound));
}

ParityReport run_parity(const ParityOptions& options) {
  const int layout = ranks_in(options.layout);
  const int reference = ranks_in(options.reference);
  Board board{
      .options = options,
      .rule = rule_of(options.layout, options.reference),
      .specs = model::weights(options.layout.model),
      .reference =
          std::vector<const Pieces*>(static_cast<std::size_t>(reference)),
      .layout = std::vector<const Pieces*>(static_cast<std::size_t>(layout))};
  board.report.rule = board.rule;
  board.report.weights = std::ssize(board.specs);
  board.report.elements = elements_of(board.specs);
  launch::run_ranks(
      {.ranks = layout + reference,
       .comm = options.comm,
       .threads = static_cast<int>(options.layout.train.threads),
       .on_stuck = options.on_stuck},
      [&](comm::Communicator& everyone) { ParityRank(everyone, board).run(); });
  if (board.found) {
    board.report.difference = board.found->difference;
  }
  return board.report;
}

}  // namespace dure::train
