#include "dure/run/run.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/progress.h"
#include "dure/checkpoint/sharded/same_files.h"
#include "dure/comm/abandon.h"
#include "dure/comm/activity.h"
#include "dure/config/ramp_up.h"
#include "dure/data/build_datasets.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/run/check_replicas.h"
#include "dure/run/memory_report.h"
#include "dure/run/metrics.h"
#include "dure/run/run_checkpoint.h"
#include "dure/run/run_directories.h"
#include "dure/run/run_facts.h"
#include "dure/run/run_products.h"
#include "dure/run/run_saver.h"
#include "dure/run/source.h"
#include "dure/run/step_report.h"
#include "dure/train/options.h"
#include "dure/train/segment.h"
#include "dure/train/trainer.h"

namespace dure::train {
namespace {

constexpr const char* kAnswerWhileSaving =
    "stopping as soon as the checkpoint that is being written is whole";

std::int64_t evaluation_samples(const TrainConfig& train) {
  return train.evaluate_steps * train.global_batch;
}

data::Datasets open_data(const Config& config,
                         data::SampleOrder order,
                         const comm::Communicator& world,
                         const Log& log) {
  const comm::Activity opening(world, "opening the data");
  return data::build_datasets(
      config.data,
      {.samples = {.train = samples_of_run(config.train),
                   .validation = config.train.evaluate_every > 0
                                     ? evaluation_samples(config.train)
                                     : 0,
                   .test = evaluation_samples(config.train)},
       .order = order,
       .seed = static_cast<std::uint64_t>(config.train.seed),
       .vocabulary = config.model.vocabulary,
       .log = &log});
}

RankOptions options_of(const Config& config, comm::Communicator* world) {
  RankOptions options = rank_options(config);
  options.limit_bytes = config.memory.limit_bytes();
  options.simulated.rank = world != nullptr ? world->rank() : 0;
  options.world = world;
  return options;
}

std::optional<RunDirectories> directories_of(const Config& config,
                                             const Rank& rank) {
  if (!rank.is_first()) {
    return std::nullopt;
  }
  const comm::Activity preparing(rank.world(), "preparing its directories");
  return std::optional<RunDirectories>(
      std::in_place, config, plan_of(config, {}, {}));
}

// The state of a run: a trainer, its data and its files.
class Run {
 public:
  Run(const Config& config, const RunOptions& options)
      : config_(config),
        config_text_(options.config_text),
        written_by_(options.written_by),
        header_(options.header),
        log_(options.log),
        stop_(options.stop),
        start_how_(options.start),
        rank_(options_of(config, options.world)),
        directories_(directories_of(config, rank_)),
        start_(starting_point(options.start)),
        products_(rank_.stream,
                  {.checkpoint = start_, .cache = options.cache, .log = log_}),
        source_(source_of_weights()),
        data_(rank_.control().first_rank_first([&] {
          return open_data(config, order_after(start_, config), world(), log_);
        })),
        trainer_(rank_, config_),
        report_(rank_, trainer_, log_),
        saver_(
            rank_, trainer_, documents_, {.log = log_, .twin = options.twin}) {
    DURE_CHECK(data_.train != nullptr,
               "no training data: set data.train to a prefix that `dure "
               "preprocess` wrote");
    documents_ = documents_of();
    if (!start_.empty()) {
      load_trainer(rank_, trainer_, start_, documents_, log_);
    } else if (!source_.empty()) {
      load_source(rank_, trainer_, source_, log_);
    }
    if (config.log.trace) {
      rank_.stream.set_trace(&trace_);
    }
  }

  comm::Communicator& world() const { return rank_.world(); }

  void train() {
    const std::int64_t first = trainer_.position().step;
    if (finished()) {
      log_.info(fmt::format("all {} steps are done already", first));
      tested_ = data_.test == nullptr || was_tested();
      return test();
    }
    for (const std::string& line : header_) {
      log_.info(line);
    }
    open_files();
    saver_.skip_this_step();
    try {
      run_steps();
      finish();
      test();
      note_end();
    } catch (const NotFinite&) {
      keep_products();
      saver_.save_last_whole();
      throw;
    } catch (const std::exception& error) {
      keep_products();
      saver_.save_over_twin(error);
      throw;
    }
  }

 private:
  Path file(const char* name) const {
    return Path(config_.log.directory) / name;
  }

  std::string starting_point(Start start) {
    if (config_.train.device == Device::kSim) {
      return "";  // nothing is saved
    }
    const std::string found = rank_.control().first_rank_says([&] {
      const comm::Activity looking(world(), "looking for checkpoints");
      return find_starting_point(config_, start, log_)
          .value_or(Path())
          .string();
    });
    expect_same_files(rank_.control(), [&] {
      const comm::Activity comparing(world(), "comparing files");
      comm::Facts facts = facts_of_data(config_.data);
      const comm::Facts more = facts_of_checkpoint(found);
      facts.insert(facts.end(), more.begin(), more.end());
      return facts;
    });
    return found;
  }

  // The source of the first weights, for a run that resumes nothing. If the
  // configuration names no tokenizer, the source's is used.
  Path source_of_weights() {
    if (config_.train.device == Device::kSim) {
      return {};
    }
    const Path source =
        start_.empty() ? find_source(rank_, config_, log_) : Path();
    if (!config_.train.from.empty() && config_.data.tokenizer.empty()) {
      tokenizer_from_ = source.empty() ? Path(start_) : source;
      config_.data.tokenizer = unnamed_tokenizer(tokenizer_from_);
    }
    return source;
  }

  RunDocuments documents_of() const {
    RunDocuments documents = {
        .tokenizer = {}, .data = data_.identity, .epochs = data_.epochs};
    if (rank_.is_first()) {
      if (!source_.empty()) {
        expect_tokenizer(source_, config_);
        documents.from = std::filesystem::absolute(source_).string();
      } else if (!start_.empty()) {
        documents.from = first_weights_of(start_);
      }
      documents.tokenizer =
          tokenizer_from_.empty()
              ? data::tokenizer_documents(config_.data.tokenizer,
                                          config_.model.vocabulary)
              : inherited_tokenizer(
                    tokenizer_from_, config_.model.vocabulary, log_);
    }
    return documents;
  }

  void run_steps() {
    const std::int64_t first = trainer_.position().step;
    std::optional<Progress> progress;
    if (rank_.is_first()) {
      progress.emplace("train",
                       static_cast<std::uint64_t>(config_.train.steps),
                       static_cast<std::uint64_t>(first),
                       config_.log.every > 0 ? Progress::Lines::kAsked
                                             : Progress::Lines::kByTime);
    }
    while (!finished() && !(stop_asked() && trainer_.begun() == 0)) {
      stop_.answer(
          parallel::is_synchronous(config_.parallel.schedule)
              ? "stopping after this step, then saving"
              : "stopping when the pipeline has drained (after at most "
                "parallel.drain_every steps), then saving");
      const std::int64_t before = trainer_.position().step;
      advance();
      if (progress) {
        show(*progress, before);
      }
      if (due(config_.checkpoint.every) && !finished()) {
        stop_.answer(kAnswerWhileSaving);
        keep_products();
        saver_.save();
      }
    }
    if (progress) {
      progress->finish(
          report_.progress(),
          finished() ? Progress::End::kDone : Progress::End::kStopped);
    }
  }

  // Prints a line that stays every log.every steps, and after the last step
  // another. A segment's line is that of its last step.
  void show(Progress& progress, std::int64_t before) {
    const auto done = static_cast<std::uint64_t>(report_.step());
    const std::int64_t every = config_.log.every;
    if (every > 0 && report_.step() / every > before / every && !finished()) {
      progress.print(done, report_.progress());
    } else {
      progress.update(done, report_.progress());
    }
  }

  bool finished() const {
    return trainer_.position().step >= config_.train.steps;
  }

  // A signal reaches ranks at different times, but all stop at the same step.
  bool stop_asked() {
    stopped_ = rank_.control().any(stop_.stop_requested());
    return stopped_;
  }

  bool due(std::int64_t every) const {
    return is_due(every, trainer_.position().step);
  }

  void open_files() {
    const std::vector<HostFacts> hosts = hosts_of_run(rank_.control());
    if (!rank_.is_first()) {
      return;
    }
    const comm::Activity writing(world(), "writing the files of the run");
    const DataFacts data = facts_of(config_.data, data_);
    log_.info("data    " + describe(data));
    if (config_.precision.compute == Compute::kFp16 &&
        config_.precision.loss_scale == 1) {
      log_.warning(
          "precision.compute = \"fp16\" without a loss scale: gradients below "
          "2^-24 become 0, and those below 2^-14 lose digits; "
          "precision.loss_scale = \"dynamic\" keeps them");
    }
    if (start_how_ == Start::kRestart && config_.train.device != Device::kSim) {
      put_aside(config_, log_);
    }
    write_file_atomically(file("config.toml"), config_text_);
    report_.open(file("metrics.jsonl"));
    const std::int64_t step = trainer_.position().step;
    run_file_ = std::make_unique<RunFile>(
        file("run.json"),
        RunStart{.time = started_,
                 .written_by = written_by_,
                 .step = step,
                 .ranks = world().size(),
                 .back_end = world().back_end(),
                 .peak_flops = report_.peak_flops(),
                 .hosts = hosts,
                 .data = data},
        step > 0 ? RunFile::Before::kKept : RunFile::Before::kDropped,
        log_);
  }

  // Goes to the next step at which all weights are of that step.
  void advance() {
    const std::int64_t tokens =
        trainer_.position().consumed * config_.data.sequence;
    const std::int64_t count =
        steps_of_segment(config_, trainer_.position().step);
    const double start = monotonic_seconds();
    std::vector<StepResult> results;
    const auto segment = [&] {
      return StepReport::Segment{.results = results,
                                 .seconds = monotonic_seconds() - start,
                                 .tokens_before = tokens};
    };
    try {
      results = steps(count);
    } catch (const NotFinite& error) {
      results = error.steps();
      report_.take_failed(segment());
      throw;
    }
    const StepReport::Segment made = segment();
    record_step(results.back().step, start, made.seconds);
    report_.take(made);
    const std::optional<double> validation_loss = validate();
    if (due(config_.train.check_replicas_every)) {
      check_replicas(rank_, trainer_);
    }
    report_.write_last(validation_loss);
  }

  // The first steps touch all memory for the first time, which may take the
  // system a while.
  std::vector<StepResult> steps(std::int64_t count) {
    std::optional<comm::Activity> first;
    if (report_.step() == 0) {
      first.emplace(rank_.world(), "the first step");
    }
    if (rank_.stream.device() != Device::kCuda ||
        !parallel::is_synchronous(config_.parallel.schedule)) {
      return trainer_.steps(*data_.train, static_cast<int>(count));
    }
    if (trainer_.begun() == 0) {
      trainer_.begin(*data_.train);
    }
    if (!must_see(trainer_.position().step + 1)) {
      trainer_.begin(*data_.train);
    }
    const std::span<const StepResult> results = trainer_.end();
    return {results.begin(), results.end()};
  }

  // Whether something other than the next step wants the weights after this
  // one. Else a GPU goes on with the next while the host reads how this ended.
  bool must_see(std::int64_t step) const {
    return stopped_ || step >= config_.train.steps ||
           is_due(config_.train.evaluate_every, step) ||
           is_due(config_.train.check_replicas_every, step) ||
           is_due(config_.checkpoint.every, step);
  }

  // Steps that overlap are one event, with the name of the last.
  void record_step(std::int64_t step, double start, double seconds) {
    if (config_.log.trace) {
      trace_.record({.name = trace_.keep(fmt::format("step {}", step)),
                     .start_seconds = start,
                     .seconds = seconds,
                     .row = TraceRow::kStep});
    }
  }

  // Nothing if a stop was asked for meanwhile.
  std::optional<double> evaluate(const data::Dataset& dataset) {
    stop_.answer("breaking off the evaluation, then saving");
    return trainer_.evaluate(dataset,
                             evaluation_samples(config_.train),
                             [this] { return stop_asked(); });
  }

  std::optional<double> validate() {
    if (data_.validation == nullptr ||
        (!due(config_.train.evaluate_every) && !finished())) {
      return std::nullopt;
    }
    return evaluate(*data_.validation);
  }

  // Called once by a run that has made all its steps and saved them.
  void test() {
    if (data_.test == nullptr || !finished() || tested_) {
      return;
    }
    const std::optional<double> loss = evaluate(*data_.test);
    if (!loss) {
      return log_.warning(
          "the test data is not evaluated yet: --resume does that");
    }
    log_.info(fmt::format(
        "test loss {:.4f} (perplexity {:.2f})", *loss, std::exp(*loss)));
    if (rank_.is_first()) {
      const comm::Activity writing(world(), "writing the test loss");
      add_test_loss(file("metrics.jsonl"), *loss);
    }
  }

  bool was_tested() {
    return rank_.control().any(rank_.is_first() &&
                               has_test_loss(file("metrics.jsonl")));
  }

  // Which were measured since the last time.
  void keep_products() {
    if (rank_.is_first()) {
      documents_.products = products_.document();
      products_.save_cache();
    }
  }

  void finish() {
    stop_.answer(kAnswerWhileSaving);
    keep_products();
    saver_.save();
    comm::HostRanks& ranks = rank_.control();
    const auto memory =
        ranks.gather_texts(memory_json(ranks.rank(), rank_.arena.ledger()));
    rank_.stream.set_trace(nullptr);
    const auto traces = ranks.gather_texts(
        config_.log.trace ? trace_.to_json(ranks.rank()) : "");
    if (rank_.is_first()) {
      const comm::Activity writing(world(), "writing the files of the run");
      write_file_atomically(file("memory.json"), memory_json(memory));
      if (config_.log.trace) {
        write_trace(file("trace.json"), traces);
      }
    }
    if (stopped_ && !finished()) {
      log_.info(fmt::format(
          "stopped after step {} as asked, and saved; add --resume to go on",
          trainer_.position().step));
    }
  }

  void note_end() {
    if (run_file_ != nullptr) {
      run_file_->end({.time = utc_now(),
                      .seconds = monotonic_seconds() - started_seconds_,
                      .step = trainer_.position().step});
    }
  }

  Config config_;
  std::string config_text_;
  std::string written_by_;
  std::string started_ = utc_now();
  double started_seconds_ = monotonic_seconds();
  const std::vector<std::string>& header_;
  Log log_;
  StopRequest stop_;
  Start start_how_;
  bool stopped_ = false;
  Rank rank_;
  std::optional<RunDirectories> directories_;  // the first rank's
  std::string start_;                          // a checkpoint; empty: none
  RunProducts products_;
  // The folder whose tokenizer is used; empty: data.tokenizer. source_ sets it.
  Path tokenizer_from_;
  Path source_;  // of first weights; empty: a checkpoint, or they are drawn
  data::Datasets data_;
  Trainer trainer_;
  RunDocuments documents_;  // the first rank's
  StepReport report_;
  RunSaver saver_;
  bool tested_ = false;
  std::unique_ptr<RunFile> run_file_;  // the first rank's
  Trace trace_;
};

}  // namespace

void run_training(const Config& config, const RunOptions& options) {
  Run run(config, options);
  comm::or_abandon(run.world(), [&] { run.train(); });
}

}  // namespace dure::train
