#include "dure/mesh/placement.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

std::int64_t product(std::span<const std::int64_t> dims) {
  return std::accumulate(
      dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// The sections of the cut dim, or the whole dim if none are named.
Dims sections_of(const Dims& shape, const Cut& cut) {
  const auto dim = static_cast<std::size_t>(cut.dim);
  DURE_CHECK(dim < shape.size(),
             "a tensor of {} dimensions can't be cut along dimension {}",
             shape.size(),
             dim);
  if (cut.sections.empty()) {
    return {shape[dim]};
  }
  const std::int64_t sum = std::accumulate(
      cut.sections.begin(), cut.sections.end(), std::int64_t{0});
  DURE_CHECK(sum == shape[dim],
             "the sections of a dimension of {} sum to {}",
             shape[dim],
             sum);
  return cut.sections;
}

// A rank's part of a section.
struct Piece {
  std::int64_t section = 0;  // its length
  std::int64_t length = 0;   // of one part
  std::int64_t first = 0;    // the start of this rank's, in the section
};

Piece piece_of(std::int64_t section, std::int64_t copies, const Part& part) {
  const std::int64_t parts = part.count / copies;
  DURE_CHECK(section % parts == 0,
             "a dimension of {} does not divide into {} equal parts",
             section,
             parts);
  const std::int64_t length = section / parts;
  return {section, length, part.index / copies * length};
}

std::vector<Piece> pieces_of(const Dims& shape,
                             const Cut& cut,
                             const Part& part) {
  const Dims sections = sections_of(shape, cut);
  const Dims copies = copies_of(cut, part.count);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    pieces.push_back(piece_of(sections[i], copies[i], part));
  }
  return pieces;
}

// The pieces of each dim; an uncut dim has one piece.
std::vector<std::vector<Piece>> pieces_by_dim(const Dims& shape,
                                              const Placement& placement,
                                              const Place& place) {
  std::vector<std::vector<Piece>> pieces(shape.size());
  AxisSet axes = {};
  for (const Cut& cut : placement) {
    auto own = pieces_of(shape, cut, place.part(cut.axis));
    auto& of_dim = pieces[static_cast<std::size_t>(cut.dim)];
    DURE_CHECK(
        of_dim.empty() && !axes.contains(cut.axis),
        "a dimension is cut once, and along one axis: wanted cuts of different "
        "dimensions and axes, got another of dimension {} along the axis {}",
        cut.dim,
        name_of(cut.axis));
    of_dim = std::move(own);
    axes.add(cut.axis);
  }
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    if (pieces[dim].empty()) {
      pieces[dim] = {{.section = shape[dim], .length = shape[dim]}};
    }
  }
  return pieces;
}

std::int64_t length_of(const std::vector<Piece>& pieces) {
  return std::accumulate(
      pieces.begin(),
      pieces.end(),
      std::int64_t{0},
      [](std::int64_t sum, const Piece& piece) { return sum + piece.length; });
}

// Appends a stretch, merging it with the last one if it continues it.
void append(std::vector<Stretch>& runs, const Stretch& next) {
  if (!runs.empty() && runs.back().global + runs.back().length == next.global) {
    runs.back().length += next.length;
  } else if (next.length > 0) {
    runs.push_back(next);
  }
}

}  // namespace

Place::Place(const Mesh& mesh, int rank) {
  const Mesh::Coordinates coordinates = mesh.coordinates(rank);
  for (std::size_t axis = 0; axis < kAxes; ++axis) {
    parts_[axis] = {coordinates[axis], mesh.size(static_cast<Axis>(axis))};
  }
}

Place Place::with(Axis axis, Part part) const {
  Place place = *this;
  place.parts_[static_cast<std::size_t>(axis)] = part;
  return place;
}

const Cut* cut_along(const Placement& placement, Axis axis) {
  const auto found = std::ranges::find(placement, axis, &Cut::axis);
  return found == placement.end() ? nullptr : &*found;
}

AxisSet summed_over(const Placement& placement) {
  AxisSet axes = kReplicas;
  for (const Cut& cut : placement) {
    axes.remove(cut.axis);
  }
  return axes;
}

Dims copies_of(const Cut& cut, std::int64_t ranks) {
  DURE_CHECK(ranks >= 1, "a tensor is cut into 1 or more parts, not {}", ranks);
  const std::size_t sections = std::max<std::size_t>(cut.sections.size(), 1);
  if (cut.most_parts.empty()) {
    return Dims(sections, 1);
  }
  DURE_CHECK(cut.most_parts.size() == sections,
             "a cut of {} sections says how many parts there are at most of {}",
             sections,
             cut.most_parts.size());
  Dims copies;
  for (const std::int64_t most : cut.most_parts) {
    DURE_CHECK(most >= 1 && (most % ranks == 0 || ranks % most == 0),
               "at most {} parts are not shared evenly by {} ranks",
               most,
               ranks);
    copies.push_back(std::max<std::int64_t>(ranks / most, 1));
  }
  return copies;
}

std::int64_t elements(const Dims& shape) {
  return product(shape);
}

Dims local_shape(const Dims& shape,
                 const Placement& placement,
                 const Place& place) {
  Dims local;
  for (const auto& pieces : pieces_by_dim(shape, placement, place)) {
    local.push_back(length_of(pieces));
  }
  return local;
}

// Goes from the innermost dim out; uncut dims belong to the level around them.
LocalPart::LocalPart(const Dims& shape,
                     const Placement& placement,
                     const Place& place) {
  const auto pieces = pieces_by_dim(shape, placement, place);
  std::int64_t inner = 1;
  for (std::size_t dim = shape.size(); dim-- > 0;) {
    if (length_of(pieces[dim]) == shape[dim]) {
      inner *= shape[dim];
      continue;
    }
    Level level;
    for (const Piece& piece : pieces[dim]) {
      append(level.runs,
             {.local = level.local,
              .global = level.global + piece.first * inner,
              .length = piece.length * inner});
      level.local += piece.length * inner;
      level.global += piece.section * inner;
    }
    levels_.insert(levels_.begin(), std::move(level));
    inner = 1;
  }
  rows_ = inner;
  if (levels_.empty()) {  // nothing is cut
    levels_.push_back({.local = inner, .global = inner, .runs = {}});
    append(levels_[0].runs, {.local = 0, .global = 0, .length = inner});
    rows_ = 1;
  }
}

std::int64_t LocalPart::elements() const {
  return std::accumulate(
      levels_.begin(),
      levels_.end(),
      rows_,
      [](std::int64_t rows, const Level& level) { return rows * level.local; });
}

// The index in the whole of an element of a level. The outermost level consists
// of rows alone.
std::int64_t LocalPart::global_of(std::size_t level, std::int64_t local) const {
  if (level == 0) {
    return local;
  }
  const Level& here = levels_[level - 1];
  const std::int64_t at = local % here.local;
  const auto run =
      std::ranges::upper_bound(here.runs, at, {}, [](const Stretch& stretch) {
        return stretch.local + stretch.length;
      });
  return global_of(level - 1, local / here.local) * here.global + run->global +
         (at - run->local);
}

std::vector<Stretch> LocalPart::stretches(std::int64_t first,
                                          std::int64_t count) const {
  const std::int64_t last = first + count;
  DURE_CHECK(first >= 0 && count >= 0 && last <= elements(),
             "elements {} to {} are not of a part of {}",
             first,
             last,
             elements());
  std::vector<Stretch> result;
  if (count == 0) {
    return result;
  }
  const Level& level = levels_.back();
  for (std::int64_t row = first / level.local; row * level.local < last;
       ++row) {
    const std::int64_t global_row = global_of(levels_.size() - 1, row);
    for (const Stretch& run : level.runs) {
      const std::int64_t local = row * level.local + run.local;
      const std::int64_t from = std::max(first, local);
      const std::int64_t to = std::min(last, local + run.length);
      if (from < to) {
        result.push_back(
            {.local = from,
             .global = global_row * level.global + run.global + (from - local),
             .length = to - from});
      }
    }
  }
  return result;
}

std::int64_t LocalPart::before(std::size_t level, std::int64_t global) const {
  if (level == 0) {
    return global;
  }
  const Level& here = levels_[level - 1];
  if (here.global == 0) {
    return 0;
  }
  const std::int64_t row = global / here.global;
  const std::int64_t rows = before(level - 1, row);
  std::int64_t count = rows * here.local;
  if (before(level - 1, row + 1) > rows) {  // the row is one of this part's
    for (const Stretch& run : here.runs) {
      count += std::clamp<std::int64_t>(
          global % here.global - run.global, 0, run.length);
    }
  }
  return count;
}

std::int64_t LocalPart::before(std::int64_t global) const {
  return before(levels_.size(), global);
}

}  // namespace dure::mesh
