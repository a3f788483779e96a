#include "dure/mesh/draw.h"

#include <algorithm>
#include <fmt/core.h>
#include <string_view>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

constexpr AxisSet kRows = {Axis::kData, Axis::kContext, Axis::kExpert};
constexpr std::string_view kArrow = " -> ";
constexpr std::string_view kNoArrow = "    ";

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string right(const std::string& text, std::size_t width) {
  return fmt::format(
      "{}{}", std::string(width - std::min(width, text.size()), ' '), text);
}

// Removes the blanks at the end.
std::string line(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

// The axes of more than one rank, innermost first.
std::vector<Axis> used_axes(const Mesh& mesh) {
  std::vector<Axis> axes;
  for (const Axis axis : mesh.order()) {
    if (mesh.size(axis) > 1) {
      axes.push_back(axis);
    }
  }
  return axes;
}

class Picture {
 public:
  Picture(const Mesh& mesh, const Topology& topology)
      : mesh_(mesh),
        topology_(topology),
        digits_(std::to_string(mesh.size() - 1).size()),
        rows_(mesh.group(0, kRows)),
        grid_width_(heading(mesh.size(Axis::kPipe) - 1).size()) {
    for (const int row : rows_) {
      label_width_ = std::max(label_width_, label(row).size());
      for (const int rank : mesh.group(row, {Axis::kPipe})) {
        grid_width_ = std::max(grid_width_, grid(rank).size());
      }
    }
  }

  std::string text(std::size_t columns) const {
    const int stages = mesh_.size(Axis::kPipe);
    const std::size_t before = label_width_ + 2;
    const std::size_t each = grid_width_ + kArrow.size();
    const std::size_t room = columns > before ? columns - before : 0;
    // No arrow follows the last stage.
    const bool all =
        static_cast<std::size_t>(stages) * each - kArrow.size() <= room;
    const int in_band =
        all ? stages : std::max(1, static_cast<int>(room / each));
    std::string text;
    for (int stage = 0; stage < stages; stage += in_band) {
      text += stage == 0 ? "" : "\n";
      text += band(stage, std::min(stage + in_band, stages));
    }
    return text;
  }

 private:
  // A band of stages side by side.
  std::string band(int begin, int end) const {
    std::string stages = padded("", label_width_ + 2);
    std::string tensors = padded("tensor", label_width_ + 2);
    for (int stage = begin; stage < end; ++stage) {
      stages += padded(heading(stage), grid_width_);
      stages += kNoArrow;
      tensors += padded(places(), grid_width_);
      tensors += kNoArrow;
    }
    std::string text = line(stages) + line(tensors);
    for (const int row : rows_) {
      const std::vector<int> pipe = mesh_.group(row, {Axis::kPipe});
      std::string ranks = padded(label(row), label_width_ + 2);
      for (int stage = begin; stage < end; ++stage) {
        const int rank = pipe[stage];
        ranks += padded(grid(rank), grid_width_);
        ranks += mesh_.is_last(rank, Axis::kPipe) ? kNoArrow : kArrow;
      }
      text += line(ranks);
    }
    return text;
  }

  static std::string heading(int stage) {
    return fmt::format(" stage {}", stage);
  }

  // "data 1 context 0", outermost first.
  std::string label(int rank) const {
    std::string text;
    const std::vector<Axis> axes = used_axes(mesh_);
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      if (kRows.contains(*axis)) {
        text +=
            fmt::format("{}{} {}",
                        text.empty() ? "" : " ",
                        name_of(*axis),
                        right(std::to_string(mesh_.coordinate(rank, *axis)),
                              std::to_string(mesh_.size(*axis) - 1).size()));
      }
    }
    return padded(text, std::string("tensor").size());
  }

  // The column headings of a grid.
  std::string places() const {
    std::string text = " ";
    for (int i = 0; i < mesh_.size(Axis::kTensor); ++i) {
      text += (i == 0 ? "" : "  ") + right(std::to_string(i), digits_);
    }
    return text;
  }

  // "[4 |5] a,b".
  std::string grid(int rank) const {
    const std::vector<int> group = mesh_.group(rank, {Axis::kTensor});
    std::string text = "[";
    for (std::size_t i = 0; i < group.size(); ++i) {
      const bool border = i > 0 && node_of(group[i]) != node_of(group[i - 1]);
      text += i == 0 ? "" : border ? " |" : "  ";
      text += right(std::to_string(group[i]), digits_);
    }
    return text + "]" + names(group);
  }

  int node_of(int rank) const {
    return topology_.ranks() == 0 ? 0 : topology_.node_of[rank];
  }

  std::string names(const std::vector<int>& group) const {
    if (topology_.ranks() == 0) {
      return "";
    }
    std::string text;
    for (const int node : nodes_of(topology_, group)) {
      text += text.empty() ? " " : ",";
      text += topology_.nodes[node];
    }
    return text;
  }

  const Mesh& mesh_;
  const Topology& topology_;
  std::size_t digits_;
  std::vector<int> rows_;
  std::size_t label_width_ = 0;
  std::size_t grid_width_;
};

}  // namespace

std::string draw(const Mesh& mesh,
                 const Topology& topology,
                 std::size_t columns) {
  DURE_CHECK(topology.ranks() == 0 || topology.ranks() == mesh.size(),
             "wanted the nodes of the mesh's {} ranks, got those of {}",
             mesh.size(),
             topology.ranks());
  return Picture(mesh, topology).text(columns);
}

std::string describe_sizes(const Mesh& mesh) {
  std::string text;
  const std::vector<Axis> axes = used_axes(mesh);
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    text += fmt::format(
        "{}{} {}", text.empty() ? "" : " x ", name_of(*axis), mesh.size(*axis));
  }
  return mesh.size() == 1 ? "1 rank"
                          : fmt::format("{} ranks = {}", mesh.size(), text);
}

std::string describe_order(const Mesh& mesh) {
  std::string text;
  for (const Axis axis : used_axes(mesh)) {
    const int stride = mesh.stride(axis);
    text += fmt::format("{}{}{}",
                        text.empty() ? "" : " + ",
                        stride == 1 ? "" : fmt::format("{} ", stride),
                        name_of(axis));
  }
  return fmt::format("rank = {}", text.empty() ? "0" : text);
}

std::string list(const std::vector<std::vector<int>>& groups,
                 std::size_t columns) {
  std::string text;
  std::string current = " ";
  for (const std::vector<int>& group : groups) {
    std::string word;
    for (const int rank : group) {
      word += fmt::format("{}{}", word.empty() ? "[" : ",", rank);
    }
    word += "]";
    if (current.size() > 1 && current.size() + 1 + word.size() > columns) {
      text += current + "\n";
      current.resize(1);
    }
    current += fmt::format(" {}", word);
  }
  return text + current + "\n";
}

}  // namespace dure::mesh
