#include "dure/kernels/cuda/cudnn_graph.h"

#include <cudnn_frontend.h>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dure/base/check.h"

namespace dure::kernels {
namespace {

namespace fe = cudnn_frontend;

using TensorPointer = std::shared_ptr<fe::graph::Tensor_attributes>;

// The names by which a graph gets its operands.
enum Name : std::int64_t {
  kQ = 1,
  kK,
  kV,
  kY,
  kStatistics,
  kDY,
  kDQ,
  kDK,
  kDV,
};

using Numbers = std::vector<std::int64_t>;

Numbers steps_of(const HeadSteps& steps) {
  return {steps.sample, steps.head, steps.row, 1};
}

class Builder {
 public:
  Builder(fe::graph::Graph& graph, const AttentionProblem& problem)
      : graph_(graph), problem_(problem) {}

  void build() {
    graph_.set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_io_data_type(problem_.dtype == DType::kBf16
                              ? fe::DataType_t::BFLOAT16
                              : fe::DataType_t::HALF);
    if (problem_.pass == AttentionPass::kForward) {
      add_forward();
    } else {
      add_backward();
    }
  }

 private:
  Numbers queries() const {
    return {
        problem_.samples, problem_.heads, problem_.queries, problem_.head_dim};
  }
  Numbers keys() const {
    return {
        problem_.samples, problem_.kv_heads, problem_.keys, problem_.head_dim};
  }

  TensorPointer input(Name name, const Numbers& dims, const Numbers& steps) {
    return graph_.tensor(
        fe::graph::Tensor_attributes().set_uid(name).set_dim(dims).set_stride(
            steps));
  }
  static void name_output(const TensorPointer& tensor,
                          Name name,
                          const Numbers& dims,
                          const Numbers& steps) {
    tensor->set_output(true).set_uid(name).set_dim(dims).set_stride(steps);
  }

  // Versions of cuDNN before 9.26 take statistics of no other layout, and some
  // do not say so.
  Numbers statistics() const {
    return {problem_.samples, problem_.heads, problem_.queries, 1};
  }
  Numbers statistics_steps() const {
    return {problem_.heads * problem_.queries, problem_.queries, 1, 1};
  }

  // A key is seen from the left bound on, which counts the query's own, to the
  // right bound, which does not.
  template <typename Attributes>
  Attributes attributes() const {
    Attributes all;
    all.set_name("attention").set_attn_scale(problem_.scale);
    const auto window = static_cast<int>(problem_.window);
    if (problem_.order == AttentionOrder::kCausal) {
      all.set_diagonal_band_right_bound(0);
    } else if (window > 0) {
      all.set_diagonal_band_right_bound(window - 1);
    }
    if (window > 0) {
      all.set_diagonal_band_left_bound(window);
    }
    return all;
  }

  void add_forward() {
    auto all = attributes<fe::graph::SDPA_attributes>();
    all.set_generate_stats(true);
    auto [y, statistics_of_y] =
        graph_.sdpa(input(kQ, queries(), steps_of(problem_.q)),
                    input(kK, keys(), steps_of(problem_.k)),
                    input(kV, keys(), steps_of(problem_.v)),
                    all);
    name_output(y, kY, queries(), steps_of(problem_.y));
    name_output(statistics_of_y, kStatistics, statistics(), statistics_steps());
    statistics_of_y->set_data_type(fe::DataType_t::FLOAT);
  }

  void add_backward() {
    auto all = attributes<fe::graph::SDPA_backward_attributes>();
    all.set_deterministic_algorithm(true);
    const TensorPointer of_y =
        input(kStatistics, statistics(), statistics_steps());
    of_y->set_data_type(fe::DataType_t::FLOAT);
    auto [d_q, d_k, d_v] =
        graph_.sdpa_backward(input(kQ, queries(), steps_of(problem_.q)),
                             input(kK, keys(), steps_of(problem_.k)),
                             input(kV, keys(), steps_of(problem_.v)),
                             input(kY, queries(), steps_of(problem_.y)),
                             input(kDY, queries(), steps_of(problem_.y)),
                             of_y,
                             all);
    name_output(d_q, kDQ, queries(), steps_of(problem_.d_q));
    name_output(d_k, kDK, keys(), steps_of(problem_.d_k));
    name_output(d_v, kDV, keys(), steps_of(problem_.d_v));
  }

  fe::graph::Graph& graph_;
  const AttentionProblem& problem_;
};

// The graph's plans, without making one; what cuDNN says against it.
template <typename... Handle>
std::string find_plans(fe::graph::Graph& graph, Handle... handle) {
  fe::error_t error = graph.validate();
  if (error.is_good()) {
    error = graph.build_operation_graph(handle...);
  }
  if (error.is_good()) {
    error = graph.create_execution_plans({fe::HeurMode_t::A});
  }
  if (error.is_good()) {
    graph.deselect_numeric_notes({fe::NumericalNote_t::NONDETERMINISTIC});
    error = graph.check_support();
  }
  return error.is_good() ? "" : error.get_message();
}

void expect_good(fe::error_t error, const AttentionProblem& problem) {
  DURE_CHECK(error.is_good(),
             "cuDNN failed on attention of {} with {} heads of {} over {} x {} "
             "queries: {}; a build with -DDURE_WITH_CUDNN=OFF does without it",
             name_of(problem.dtype),
             problem.heads,
             problem.head_dim,
             problem.samples,
             problem.queries,
             error.get_message());
}

}  // namespace

struct CudnnGraph::Graph {
  explicit Graph(const AttentionProblem& of) : problem(of) {
    Builder(graph, problem).build();
  }

  AttentionProblem problem;
  fe::graph::Graph graph;
};

std::unique_ptr<CudnnGraph> CudnnGraph::build(const AttentionProblem& problem,
                                              cudnnHandle_t handle) {
  auto graph = std::make_unique<Graph>(problem);
  if (!find_plans(graph->graph, handle).empty()) {
    return nullptr;
  }
  expect_good(graph->graph.build_plans(), problem);
  std::int64_t bytes = 0;
  expect_good(graph->graph.get_workspace_size(bytes), problem);
  return std::unique_ptr<CudnnGraph>(
      new CudnnGraph(std::move(graph), static_cast<std::size_t>(bytes)));
}

CudnnGraph::CudnnGraph(std::unique_ptr<Graph> graph,
                       std::size_t workspace_bytes)
    : graph_(std::move(graph)), workspace_bytes_(workspace_bytes) {}
CudnnGraph::~CudnnGraph() = default;

void CudnnGraph::execute(cudnnHandle_t handle,
                         const AttentionAddresses& at,
                         void* workspace) const {
  std::unordered_map<std::int64_t, void*> memory = {
      {kQ, const_cast<void*>(at.q)},
      {kK, const_cast<void*>(at.k)},
      {kV, const_cast<void*>(at.v)},
      {kY, at.y},
      {kStatistics, at.statistics}};
  if (graph_->problem.pass == AttentionPass::kBackward) {
    memory.insert({{kDY, const_cast<void*>(at.d_y)},
                   {kDQ, at.d_q},
                   {kDK, at.d_k},
                   {kDV, at.d_v}});
  }
  expect_good(graph_->graph.execute(handle, memory, workspace),
              graph_->problem);
}

std::string refusal(const AttentionProblem& problem,
                    const DescribedDevice& device) {
  const std::string& text = device.properties;
  auto properties = std::make_shared<fe::DeviceProperties>();
  fe::error_t error = properties->deserialize({text.begin(), text.end()});
  DURE_CHECK(error.is_good(),
             "wanted the properties of a device as cuDNN writes them, got {}: "
             "{}",
             text,
             error.get_message());
  fe::graph::Graph graph;
  graph.set_sm_version(device.compute_capability);
  graph.set_device_properties(properties);
  Builder(graph, problem).build();
  return find_plans(graph);
}

}  // namespace dure::kernels
