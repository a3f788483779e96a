// Generation with the cache: tokens/s, and the share of the limit that memory
// sets.
//
//   generate_bench [--preset NAME] [--prompt P] [--tokens N] [--smoke]
//
// A token has to read every weight of the products once, however large the
// batch, and the keys and values of each text so far. The limit is the rate at
// which all cores together read memory, measured beside every round, over those
// bytes. The figures leave out prefill (reading the prompt): a round's time is
// that of N tokens less that of the first.
#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "bench/spread.h"
#include "dure/base/random.h"
#include "dure/base/team.h"
#include "dure/base/trace.h"
#include "dure/infer/generator.h"
#include "dure/model/families/families.h"
#include "dure/model/weights.h"
#include "dure/train/draw_weights.h"

namespace dure::bench {
namespace {

struct Options {
  std::string preset = "gpt2-124m";
  std::int64_t prompt = 64;
  std::int64_t tokens = 64;
  int rounds = 5;
};

// The bytes a second at which all cores read memory that no cache holds.
double read_rate() {
  static const std::vector<std::uint64_t> memory(std::size_t{64} << 20, 1);
  constexpr std::size_t kPieces = 64;
  Team team(0);
  std::array<std::uint64_t, kPieces> sums{};
  const double start = monotonic_seconds();
  team.run(kPieces, [&](std::int64_t piece, int) {
    const auto begin = memory.begin() + piece * (memory.size() / kPieces);
    sums[static_cast<std::size_t>(piece)] = std::accumulate(
        begin, begin + memory.size() / kPieces, std::uint64_t{0});
  });
  const std::uint64_t sum =
      std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
  const double seconds = monotonic_seconds() - start;
  // The sum is not printed, but the compiler can't know its value.
  return sum == memory.size()
             ? static_cast<double>(memory.size() * sizeof(sum)) / seconds
             : 0;
}

// The bytes of the weights that every token reads: all but tables from which it
// takes a row. A tied table is the head's matrix.
double weight_bytes(const model::ModelConfig& config) {
  double elements = 0;
  for (const model::WeightSpec& spec : model::weights(config)) {
    const bool is_read =
        spec.part != model::WeightKind::kEmbedding ||
        (config.tie_embeddings && spec.name == "embedding.token.weight");
    if (is_read) {
      double size = 1;
      for (const std::int64_t extent : spec.logical) {
        size *= static_cast<double>(extent);
      }
      elements += size;
    }
  }
  return elements * sizeof(float);
}

// The bytes of keys and values of one text of so many tokens.
double cache_bytes(const model::ModelConfig& config, double tokens) {
  const auto head = static_cast<double>(config.head_dim());
  return 2 * sizeof(float) * tokens * head *
         static_cast<double>(config.layers * config.kv_heads);
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        config_(model::resolve(model::preset(options.preset))),
        rank_model_(rank_, config_, 1, nn::Phase::kEvaluate) {
    train::draw_weights(rank_, rank_model_, 1);
  }

  void run() {
    std::printf("%s, fp32, prompts of %lld, %lld tokens each\n\n",
                options_.preset.c_str(),
                static_cast<long long>(options_.prompt),
                static_cast<long long>(options_.tokens));
    std::printf(
        "| texts | tokens/s | of the limit | GB/s read | memory's GB/s |\n"
        "| --- | --- | --- | --- | --- |\n");
    for (const std::size_t texts : {1, 2, 4, 8}) {
      row(texts);
    }
  }

 private:
  double seconds(std::size_t texts, std::int64_t tokens) {
    const RandomStream random(7, "prompts");
    std::vector<train::Tokens> prompts(texts);
    for (std::size_t i = 0; i < texts; ++i) {
      for (std::int64_t t = 0; t < options_.prompt; ++t) {
        prompts[i].push_back(static_cast<std::int32_t>(
            random.below(static_cast<std::uint64_t>(config_.vocabulary),
                         i * 4096 + static_cast<std::uint64_t>(t))));
      }
    }
    train::GenerateOptions generate;
    generate.tokens = tokens;
    generate.sampling.temperature = 0;
    train::Generator generator(rank_, rank_model_, generate);
    const double start = monotonic_seconds();
    generator.run(prompts, [](std::size_t, std::int32_t) {});
    return monotonic_seconds() - start;
  }

  void row(std::size_t texts) {
    const auto batch = static_cast<double>(texts);
    const auto steps = static_cast<double>(options_.tokens - 1);
    const double middle = static_cast<double>(options_.prompt) +
                          0.5 * static_cast<double>(options_.tokens);
    const double step_bytes =
        weight_bytes(config_) + batch * cache_bytes(config_, middle);
    seconds(texts, 2);  // warms up
    std::vector<double> rates;
    std::vector<double> shares;
    std::vector<double> memory;
    for (int i = 0; i < options_.rounds; ++i) {
      memory.push_back(read_rate());
      const double step =
          (seconds(texts, options_.tokens) - seconds(texts, 1)) / steps;
      rates.push_back(batch / step);
      shares.push_back(step_bytes / step / memory.back());
    }
    const Spread share = spread_of(shares);
    const double rate = spread_of(rates).median;
    std::printf("| %zu | %.1f | %.2f (%.2f to %.2f) | %.1f | %.1f |\n",
                texts,
                rate,
                share.median,
                share.least,
                share.most,
                1e-9 * step_bytes * rate / batch,
                1e-9 * spread_of(memory).median);
  }

  Options options_;
  model::ModelConfig config_;
  train::Rank rank_{{}};
  train::RankModel rank_model_;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--preset") {
      options.preset = next();
    } else if (arg == "--prompt") {
      options.prompt = std::atoll(next());
    } else if (arg == "--tokens") {
      options.tokens = std::atoll(next());
    } else if (arg == "--smoke") {
      options.prompt = options.tokens = 4;
      options.rounds = 1;
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  dure::bench::Bench(dure::bench::parse(argc, argv)).run();
}
