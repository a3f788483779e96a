// `dure bench operations`: each operation beside its roofline.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dure/base/files.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/roofline/operations.h"

namespace dure::cli {
namespace {

using roofline::OperationMeter;
using roofline::OperationRow;
using roofline::ProblemLine;

struct Options {
  std::vector<std::string> lists;
  std::vector<std::string> files;
  std::string device = "cpu";
  std::vector<std::string> types;
  std::string only;
  int repetitions = 7;
  bool is_smoke = false;
  bool json = false;
};

struct NamedProblems {
  std::string name;
  std::vector<ProblemLine> lines;
};

std::vector<NamedProblems> problems(const Options& options) {
  std::vector<NamedProblems> all;
  for (const std::string& name : options.lists) {
    all.push_back({name, roofline::problems_of(name)});
  }
  for (const std::string& path : options.files) {
    all.push_back({path, roofline::parse_lines(read_regular_file(path), path)});
  }
  if (!options.only.empty()) {
    for (NamedProblems& each : all) {
      std::erase_if(each.lines, [&](const ProblemLine& line) {
        return line.operation != options.only;
      });
    }
    std::erase_if(all, [](const auto& each) { return each.lines.empty(); });
    if (all.empty()) {
      throw UsageError("--only {}: the problems have no such operation",
                       options.only);
    }
  }
  return all;
}

// On a GPU the types that it trains in.
std::vector<DType> types_of(const Options& options) {
  if (options.types.empty()) {
    return options.device == "cuda"
               ? std::vector<DType>{DType::kF32, DType::kBf16}
               : std::vector<DType>{DType::kF32};
  }
  std::vector<DType> types;
  for (const std::string& name : options.types) {
    types.push_back(name == "bf16"   ? DType::kBf16
                    : name == "fp16" ? DType::kF16
                                     : DType::kF32);
  }
  return types;
}

void print_row(const OperationRow& row) {
  std::printf("| %s | %s | %.3f | %.1f | %.1f | %.0f %% | %.0f to %.0f %% |\n",
              row.line.operation.c_str(),
              row.line.describe().c_str(),
              1e3 * row.seconds.median,
              1e-9 * row.cost.bytes / row.seconds.median,
              1e-9 * row.cost.flops / row.seconds.median,
              100 * row.share.median,
              100 * row.share.least,
              100 * row.share.most);
  std::fflush(stdout);
}

nlohmann::ordered_json to_json(const OperationRow& row) {
  return {{"operation", row.line.operation},
          {"sizes", row.line.sizes},
          {"type", name_of(row.type)},
          {"bytes", row.cost.bytes},
          {"flops", row.cost.flops},
          {"seconds", row.seconds.median},
          {"share", row.share.median},
          {"least_share", row.share.least},
          {"most_share", row.share.most}};
}

void print_head(const std::string& name, DType type) {
  std::printf("\n%s, %s\n\n", name.c_str(), name_of(type));
  std::printf(
      "| operation | sizes | ms | GB/s | GFLOP/s | share | from |\n"
      "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
}

void run_bench_operations(const Options& options) {
  const std::vector<NamedProblems> all = problems(options);
  OperationMeter meter(options.device == "cuda" ? Device::kCuda : Device::kCpu,
                       options.is_smoke ? roofline::YardstickSize::kSmoke
                                        : roofline::YardstickSize::kFull,
                       options.is_smoke ? 1 : options.repetitions);
  const std::string device = meter.description();
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  if (!options.json) {
    std::printf("%s\n", device.c_str());
  }
  for (const auto& [name, lines] : all) {
    for (const DType type : types_of(options)) {
      if (!options.json) {
        print_head(name, type);
      }
      for (const ProblemLine& line : lines) {
        const auto row = meter.measure(line, type);
        if (row && options.json) {
          rows.push_back(to_json(*row));
        } else if (row) {
          print_row(*row);
        }
      }
    }
  }
  if (options.json) {
    put_json({{"device", device}, {"rows", rows}});
  }
}

std::vector<std::string> list_names() {
  std::vector<std::string> names;
  for (const roofline::ProblemList& list : roofline::problem_lists()) {
    names.emplace_back(list.name);
  }
  return names;
}

}  // namespace

void add_bench_operations(CLI::App& bench) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand(
      "operations", "Time and share of the roofline of each operation");
  command
      ->add_option("--list",
                   options->lists,
                   "Problems that the program has: smoke has every operation, "
                   "small")
      ->check(CLI::IsMember(list_names()));
  command->add_option("FILE", options->files, "Files of problems");
  command->add_option("--device", options->device, "cpu, or cuda, a GPU")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command
      ->add_option("--type",
                   options->types,
                   "Of a model's operands: fp32, and on a GPU bf16 as well, "
                   "unless types are named")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
  command->add_option("--only", options->only, "One operation, by its name");
  command
      ->add_option(
          "--repetitions", options->repetitions, "Measurements of each problem")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_flag(
      "--smoke",
      options->is_smoke,
      "Measure once beside tiny limits, which shows only that it works");
  command->add_flag("--json", options->json, "Print all of it as JSON");
  command->footer(
      "Without a list or a file it takes gpt2_124m, llama_1b, memory and\n"
      "generate; with --smoke the list smoke. A line of a file is an "
      "operation\n"
      "and its sizes, such as\n"
      "\n"
      "  layer_norm rows=1024 columns=768\n"
      "\n"
      "A share is the time that the operation's bytes and flops take at the\n"
      "limits of this device over its time. The limits are measured before "
      "and\n"
      "after each measurement: a triad a = b + s c over arrays past every "
      "cache,\n"
      "and, where flops may be the bound, cuBLASLt's product of the type on a\n"
      "GPU, multiply-adds in registers on a CPU. Beyond 100 % the operands "
      "came\n"
      "from a cache. Figures are medians, and the shares the spread.\n"
      "\n"
      "--json prints an object: device; rows, objects of operation, sizes,\n"
      "type, bytes, flops, seconds, share, least_share and most_share.\n"
      "\n"
      "Example:\n"
      "  dure bench operations --only matmul\n"
      "  dure bench operations --list gpt2_124m --device cuda --type bf16");
  command->callback([options] {
    if (options->lists.empty() && options->files.empty()) {
      options->lists = options->is_smoke
                           ? std::vector<std::string>{"smoke"}
                           : std::vector<std::string>{
                                 "gpt2_124m", "llama_1b", "memory", "generate"};
    }
    run_bench_operations(*options);
  });
}

}  // namespace dure::cli
