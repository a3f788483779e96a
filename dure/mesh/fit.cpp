#include "dure/mesh/fit.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <string>
#include <vector>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

// Axes in the order in which messages name them.
constexpr Axis kAllAxes[] = {
    Axis::kTensor, Axis::kPipe, Axis::kContext, Axis::kExpert, Axis::kData};

int& size_of(Mesh::Sizes& sizes, Axis axis) {
  switch (axis) {
    case Axis::kPipe:
      return sizes.pipe;
    case Axis::kData:
      return sizes.data;
    case Axis::kContext:
      return sizes.context;
    case Axis::kExpert:
      return sizes.expert;
    case Axis::kTensor:
      break;
  }
  return sizes.tensor;
}

int size_of(const Mesh::Sizes& sizes, Axis axis) {
  Mesh::Sizes copy = sizes;
  return size_of(copy, axis);
}

bool is_automatic(const Mesh::Sizes& sizes, Axis axis) {
  return axis == Axis::kData && sizes.data == kAuto;
}

// The axes whose sizes were asked for, and could be changed.
std::vector<Axis> asked_axes(const Mesh::Sizes& sizes) {
  std::vector<Axis> axes;
  for (const Axis axis : kAllAxes) {
    const bool given =
        axis == Axis::kData ? sizes.data != kAuto : size_of(sizes, axis) != 1;
    if (given) {
      axes.push_back(axis);
    }
  }
  return axes;
}

// "tensor 2 x pipeline 4".
std::string describe(const Mesh::Sizes& sizes, const std::vector<Axis>& axes) {
  std::string text;
  for (const Axis axis : axes) {
    text += fmt::format("{}{} {}",
                        text.empty() ? "" : " x ",
                        name_of(axis),
                        size_of(sizes, axis));
  }
  return text;
}

// The product without data if that is automatic. Sizes are 1 or more.
std::int64_t product_of(const Mesh::Sizes& sizes) {
  std::int64_t product = 1;
  for (const Axis axis : kAllAxes) {
    product *= is_automatic(sizes, axis) ? 1 : size_of(sizes, axis);
    if (product > kMostRanks) {
      throw UsageError("a mesh has at most {} ranks, got {}",
                       kMostRanks,
                       describe(sizes, asked_axes(sizes)));
    }
  }
  return product;
}

// Sizes that fit `ranks`, and their distance from those asked for: the sum of
// the logarithms of each axis's factor, in whole millionths, so that equal
// distances compare equal.
struct Candidate {
  Mesh::Sizes sizes;
  int left = 1;  // ranks not yet divided over axes
  std::int64_t distance = 0;
};

std::int64_t distance(int a, int b) {
  constexpr double kUnits = 1e6;
  return std::llround(std::abs(std::log(a) - std::log(b)) * kUnits);
}

std::vector<Candidate> candidates(const Mesh::Sizes& asked,
                                  const std::vector<Axis>& axes,
                                  int ranks) {
  std::vector<Candidate> found = {{.sizes = asked, .left = ranks}};
  for (const Axis axis : axes) {
    std::vector<Candidate> longer;
    for (const Candidate& candidate : found) {
      for (int size = 1; size <= candidate.left; ++size) {
        if (candidate.left % size == 0) {
          Candidate next = candidate;
          size_of(next.sizes, axis) = size;
          next.left /= size;
          next.distance += distance(size, size_of(asked, axis));
          longer.push_back(next);
        }
      }
    }
    found = std::move(longer);
  }
  if (asked.data != kAuto) {
    std::erase_if(found, [](const Candidate& c) { return c.left != 1; });
  }
  std::stable_sort(
      found.begin(), found.end(), [](const auto& a, const auto& b) {
        return a.distance < b.distance;
      });
  return found;
}

// "tensor 2 x pipeline 2, tensor 4 x pipeline 2 or ...": the nearest three.
std::string nearest_sizes(const Mesh::Sizes& asked, int ranks) {
  constexpr std::size_t kShown = 3;
  const std::vector<Axis> axes = asked_axes(asked);
  const auto found = candidates(asked, axes, ranks);
  const std::size_t shown = std::min(found.size(), kShown);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) {
    text += i == 0 ? "" : i + 1 == shown ? " or " : ", ";
    text += describe(found[i].sizes, axes);
  }
  return text;
}

[[noreturn]] void refuse_multiple(const Mesh::Sizes& sizes,
                                  std::int64_t product,
                                  int ranks) {
  const std::int64_t below = ranks / product * product;
  const std::int64_t above = below + product;
  throw UsageError(
      "wanted a multiple of {} = {} ranks, got {}; these sizes "
      "take {}, and {}{}{}",
      describe(sizes, asked_axes(sizes)),
      product,
      ranks,
      below > 0 ? fmt::format("{} or {}", below, above)
                : fmt::format("{}", above),
      ranks,
      ranks == 1 ? " rank takes " : " ranks take ",
      nearest_sizes(sizes, ranks));
}

[[noreturn]] void refuse_product(const Mesh::Sizes& sizes,
                                 std::int64_t product,
                                 int ranks) {
  const std::string others = nearest_sizes(sizes, ranks);
  throw UsageError("wanted {} = {} ranks, got {}; {}{}{}",
                   describe(sizes, asked_axes(sizes)),
                   product,
                   ranks,
                   ranks,
                   ranks == 1 ? " rank takes " : " ranks take ",
                   others);
}

}  // namespace

Mesh::Sizes fit(Mesh::Sizes sizes, int ranks) {
  if (ranks < 1 || ranks > kMostRanks) {
    throw UsageError("wanted from 1 to {} ranks, got {}", kMostRanks, ranks);
  }
  for (const Axis axis : kAllAxes) {
    const int size = size_of(sizes, axis);
    if (size < 1 && !is_automatic(sizes, axis)) {
      throw UsageError(
          "{}: wanted a size of 1 or more, got {}", name_of(axis), size);
    }
  }
  const std::int64_t product = product_of(sizes);
  if (sizes.data == kAuto) {
    if (ranks % product != 0) {
      refuse_multiple(sizes, product, ranks);
    }
    sizes.data = static_cast<int>(ranks / product);
  } else if (product != ranks) {
    refuse_product(sizes, product, ranks);
  }
  return sizes;
}

}  // namespace dure::mesh
