// `dure mesh`: which rank does what, before anything runs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/check.h"
#include "dure/cli/commands.h"
#include "dure/launch/slurm.h"
#include "dure/mesh/draw.h"
#include "dure/mesh/fit.h"
#include "dure/mesh/mesh.h"
#include "dure/mesh/topology.h"

namespace dure::cli {
namespace {

using mesh::Axis;
using mesh::AxisSet;
using mesh::Mesh;
using mesh::Topology;
using nlohmann::ordered_json;

struct Options {
  int world = 0;
  Mesh::Sizes sizes;
  std::string data = "auto";
  std::string order = mesh::text_of(mesh::kMegatronOrder);
  std::string nodes;
  std::string ranks_per_node;
  std::string distribution = "block";
  bool json = false;
};

struct GroupsOf {
  const char* name;
  AxisSet axes;
  const char* meaning;
};

// Groups of one axis each, then of several.
constexpr GroupsOf kAxisGroups[] = {
    {"tensor", {Axis::kTensor}, "share each matrix"},
    {"context", {Axis::kContext}, "share a sequence"},
    {"expert", {Axis::kExpert}, "share the experts of a layer"},
    {"data", {Axis::kData}, "share a batch"},
    {"pipeline", {Axis::kPipe}, "share the blocks, stage after stage"},
};
constexpr GroupsOf kJointGroups[] = {
    {"model", {Axis::kTensor, Axis::kPipe}, "hold one copy of the model"},
    {"gradients", mesh::kReplicas, "sum their gradients"},
};

struct Plan {
  Mesh mesh;
  Topology topology = {};        // by mesh rank; empty: not known
  std::vector<int> places = {};  // mesh rank of each launched rank
  std::vector<std::string> warnings = {};
};

// The result of `read`; if it throws, the error names the option.
template <typename Read>
auto of_option(const char* option, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    throw UsageError("{}: {}", option, error.what());
  }
}

// A count of 1 or more.
std::optional<int> count_of(std::string_view text) {
  int count = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, count);
  const bool good = read.ec == std::errc() && read.ptr == end && count >= 1;
  return good ? std::optional(count) : std::nullopt;
}

int data_of(const std::string& text) {
  const std::optional<int> data =
      text == "auto" ? std::optional(mesh::kAuto) : count_of(text);
  if (!data) {
    throw UsageError(
        "--data: wanted a whole number of 1 or more, or auto, got {}", text);
  }
  return *data;
}

// The names of the nodes in --nodes, which gives their number or their names.
std::vector<std::string> names_of(const std::string& nodes) {
  const std::optional<int> count = count_of(nodes);
  if (!count) {
    return of_option("--nodes", [&] { return mesh::parse_node_list(nodes); });
  }
  if (*count > mesh::kMostRanks) {
    throw UsageError(
        "--nodes: wanted at most {}, got {}", mesh::kMostRanks, *count);
  }
  std::vector<std::string> names;
  for (int node = 0; node < *count; ++node) {
    names.push_back(fmt::format("node{}", node));
  }
  return names;
}

// How many ranks each node has, where the options leave it open: one number is
// that of every node, none is an even share.
std::vector<int> counts_of(const Options& options, std::size_t nodes) {
  if (options.ranks_per_node.empty()) {
    const int count = static_cast<int>(nodes);
    if (options.world % count != 0) {
      throw UsageError(
          "--ranks-per-node: wanted, as {} ranks are no even share of {} nodes",
          options.world,
          count);
    }
    return std::vector<int>(nodes, options.world / count);
  }
  auto counts = of_option("--ranks-per-node", [&] {
    return mesh::parse_tasks_per_node(options.ranks_per_node);
  });
  if (counts.size() == 1 && nodes > 0) {
    counts.resize(nodes, counts.front());
  }
  return counts;
}

// The nodes that the ranks need.
std::string nodes_for(const Options& options) {
  const auto counts = of_option("--ranks-per-node", [&] {
    return mesh::parse_tasks_per_node(options.ranks_per_node);
  });
  const int first = std::max(counts.front(), 1);
  const bool listed = counts.size() > 1;
  return std::to_string(listed ? static_cast<int>(counts.size())
                               : (options.world + first - 1) / first);
}

// Where the launcher put the ranks; nothing if the options do not say it.
Topology launched_of(const Options& options) {
  if (options.nodes.empty() && options.ranks_per_node.empty()) {
    return {};
  }
  const auto names =
      names_of(options.nodes.empty() ? nodes_for(options) : options.nodes);
  const auto counts = counts_of(options, names.size());
  const auto sum =
      std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  if (counts.size() != names.size() || sum != options.world) {
    throw UsageError(
        "--ranks-per-node: wanted {} ranks on {} nodes, got {} on {}",
        options.world,
        names.size(),
        sum,
        counts.size());
  }
  const auto distribution = of_option("--distribution", [&] {
    return mesh::parse_distribution(options.distribution);
  });
  return mesh::deal(names, counts, distribution);
}

Plan plan_of(const Options& options) {
  Mesh::Sizes sizes = options.sizes;
  sizes.data = data_of(options.data);
  const auto order =
      of_option("--order", [&] { return mesh::parse_order(options.order); });
  Plan plan{.mesh = Mesh(mesh::fit(sizes, options.world), order)};
  const Topology launched = launched_of(options);
  if (launched.ranks() > 0) {
    plan.places = mesh::place(plan.mesh, launched);
    plan.topology = mesh::placed(launched, plan.places);
    const std::string warning =
        mesh::crossing_warning(plan.mesh, plan.topology);
    if (!warning.empty()) {
      plan.warnings.push_back(warning);
    }
  }
  return plan;
}

// Prints one key a line, with its value on that line.
void print_json(const Plan& plan) {
  const Mesh& mesh = plan.mesh;
  ordered_json facts;
  facts["world"] = mesh.size();
  ordered_json sizes;
  for (const Axis axis : mesh.order()) {
    sizes[mesh::name_of(axis)] = mesh.size(axis);
    facts["order"].push_back(mesh::name_of(axis));
  }
  facts["sizes"] = sizes;
  for (const GroupsOf& groups : kAxisGroups) {
    facts[groups.name] = mesh.groups(groups.axes);
  }
  for (const GroupsOf& groups : kJointGroups) {
    facts[groups.name] = mesh.groups(groups.axes);
  }
  facts["nodes"] = plan.topology.nodes;
  facts["node_of_rank"] = plan.topology.node_of;
  facts["placement"] = plan.places;
  facts["warnings"] = plan.warnings;
  std::string text;
  for (const auto& [key, value] : facts.items()) {
    text += fmt::format(
        "{}  \"{}\": {}", text.empty() ? "{\n" : ",\n", key, value.dump());
  }
  fmt::print("{}\n}}\n", text);
}

void print_groups(const Mesh& mesh, const GroupsOf& of) {
  const auto groups = mesh.groups(of.axes);
  fmt::print("\n{}: {} group{} of {} that {}\n{}",
             of.name,
             groups.size(),
             groups.size() == 1 ? "" : "s",
             mesh.size(of.axes),
             of.meaning,
             mesh::list(groups));
}

void print_placement(const Plan& plan) {
  if (std::is_sorted(plan.places.begin(), plan.places.end())) {
    return;  // as launched
  }
  fmt::print(
      "\nplacement: so that tensor groups are each within a node, launched "
      "ranks\n0, 1, 2 ... take these places:\n{}",
      mesh::list({plan.places}));
}

void print_text(const Plan& plan) {
  const Mesh& mesh = plan.mesh;
  fmt::print("{}\n{}\n\n{}",
             mesh::describe_sizes(mesh),
             mesh::describe_order(mesh),
             mesh::draw(mesh, plan.topology));
  for (const GroupsOf& groups : kAxisGroups) {
    if (mesh.size(groups.axes) > 1) {
      print_groups(mesh, groups);
    }
  }
  // Prints the replicas if they are not those of one axis.
  const int data = mesh.size(Axis::kData);
  if (mesh.size(mesh::kReplicas) > data) {
    print_groups(mesh, kJointGroups[1]);
  }
  print_placement(plan);
  for (const std::string& warning : plan.warnings) {
    fmt::print("\nwarning: {}\n", warning);
  }
}

void run_mesh(const Options& options) {
  const Plan plan = plan_of(options);
  if (options.json) {
    print_json(plan);
  } else {
    print_text(plan);
  }
}

void add_sizes(CLI::App& command, Options& options) {
  const CLI::Validator ranks =
      CLI::Range(1, mesh::kMostRanks).description("POSITIVE");
  const auto axis = [&](const char* name, int& size, const char* meaning) {
    command.add_option(name, size, meaning)
        ->check(ranks)
        ->capture_default_str();
  };
  command.add_option("--world", options.world, "Ranks in all")
      ->check(ranks)
      ->required();
  axis("--tensor", options.sizes.tensor, "Ranks that share each matrix");
  axis("--pipeline", options.sizes.pipe, "Ranks that share the blocks");
  axis("--context", options.sizes.context, "Ranks that share a sequence");
  axis("--expert", options.sizes.expert, "Ranks that share a layer's experts");
  command
      .add_option("--data",
                  options.data,
                  "Ranks that share a batch; auto: as many as are left")
      ->capture_default_str();
  command
      .add_option(
          "--order",
          options.order,
          "The axes, fastest from rank to rank first; or tp-cp-ep-dp-pp")
      ->capture_default_str();
}

void add_nodes(CLI::App& command, Options& options) {
  command.add_option("--nodes",
                     options.nodes,
                     "How many nodes, or their names as Slurm lists them: "
                     "node[01-03,7],gpu5");
  command.add_option("--ranks-per-node",
                     options.ranks_per_node,
                     "One number, or as Slurm lists them: 4(x2),3");
  command
      .add_option("--distribution",
                  options.distribution,
                  "How the launcher deals ranks to nodes: block, cyclic or "
                  "plane=N")
      ->capture_default_str();
}

}  // namespace

void add_mesh(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "mesh", "Which rank does what: groups of ranks and a drawing");
  add_sizes(*command, *options);
  add_nodes(*command, *options);
  command->add_flag("--json", options->json, "Print the facts as JSON");
  command->footer(
      "In the drawing each row is a tensor group; behind it stand its nodes,\n"
      "and a | where one node ends and the next begins. Where the launcher\n"
      "puts a tensor group on several nodes, ranks are placed anew.\n"
      "\n"
      "--json prints world; order (names of axes, innermost first); sizes, by\n"
      "axis; then lists of groups, each a list of ranks: tensor, context,\n"
      "expert, data, pipeline, model (tensor x pipeline: one copy of the\n"
      "model) and gradients (data x context x expert: whose gradients are\n"
      "summed); nodes (names), node_of_rank (into nodes), placement (the mesh\n"
      "rank of each launched rank), all three empty where no nodes are given;\n"
      "warnings (texts).\n"
      "\n"
      "Examples:\n"
      "  dure mesh --world 16 --tensor 2 --pipeline 4\n"
      "  dure mesh --world 8 --tensor 4 --nodes 'gpu[1-2]' --json");
  command->callback([options] { run_mesh(*options); });
}

}  // namespace dure::cli
