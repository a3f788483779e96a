// How one tensor is placed on the mesh: which of its dims are cut along which
// axes. Arithmetic only.
//
// All else about where a weight is follows from that: the part that a rank
// holds (LocalPart), draws, reads from files and saves, and the ranks that its
// gradient is summed over (summed_over).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dure/mesh/mesh.h"

namespace dure::mesh {

using Dims = std::vector<std::int64_t>;

// Part `index` of `count` parts.
struct Part {
  std::int64_t index = 0;
  std::int64_t count = 1;
  bool operator==(const Part&) const = default;
};

// A rank's place on every axis.
class Place {
 public:
  Place() = default;  // alone
  Place(const Mesh& mesh, int rank);

  // This place with another part on one axis.
  Place with(Axis axis, Part part) const;

  Part part(Axis axis) const { return parts_[static_cast<std::size_t>(axis)]; }

  bool operator==(const Place&) const = default;

 private:
  std::array<Part, kAxes> parts_ = {};
};

// Rank c of n along `axis` holds the c-th of n equal parts of `dim`.
struct Cut {
  Axis axis = Axis::kTensor;
  int dim = 0;
  // A fused matrix is several sections along `dim`, each cut by itself: a
  // rank's rows of (q, k, v) are its part of q, of k and of v. Lengths of the
  // sections; empty if the dim is one section.
  Dims sections = {};
  // The most parts of each section, where there is a limit: whole heads. If n
  // ranks share m < n parts, n / m neighbours hold the same part.
  Dims most_parts = {};

  bool operator==(const Cut&) const = default;
};

// Cuts of different dims along different axes. If empty, every rank holds all.
using Placement = std::vector<Cut>;

// The cut along the axis, or null.
const Cut* cut_along(const Placement& placement, Axis axis);

// The axes whose ranks each make a summand of its gradient, from their own
// tokens: those of kReplicas that it is not cut along.
AxisSet summed_over(const Placement& placement);

// How many neighbours of so many ranks hold the same part of each section.
Dims copies_of(const Cut& cut, std::int64_t ranks);

// The shape of one rank's part. Throws Error if a section does not divide by
// its parts.
Dims local_shape(const Dims& shape,
                 const Placement& placement,
                 const Place& place);

// Elements that are neighbours both in a rank's part and in the whole tensor
// (both row-major): offsets and length.
struct Stretch {
  std::int64_t local = 0;
  std::int64_t global = 0;
  std::int64_t length = 0;
  bool operator==(const Stretch&) const = default;
};

// A rank's part of a tensor: where its elements stand in the whole. They keep
// the order of the whole.
class LocalPart {
 public:
  LocalPart(const Dims& shape, const Placement& placement, const Place& place);

  std::int64_t elements() const;

  // Its elements [first, first + count), ascending: a rank fills these when it
  // draws values by global index, and reads these from a file that holds the
  // whole. Takes time in proportion to the number of stretches.
  std::vector<Stretch> stretches(std::int64_t first, std::int64_t count) const;
  std::vector<Stretch> stretches() const { return stretches(0, elements()); }

  // How many of the part's elements stand before this element of the whole.
  std::int64_t before(std::int64_t global) const;

 private:
  // A dim that is cut, with the uncut dims around it. An element of one level
  // is a row of the next level; an element of the last level is one of the
  // tensor.
  struct Level {
    std::int64_t local = 0;     // elements of a row of the part
    std::int64_t global = 0;    // elements of a row of the whole
    std::vector<Stretch> runs;  // of a row
  };

  std::int64_t global_of(std::size_t level, std::int64_t local) const;
  std::int64_t before(std::size_t level, std::int64_t global) const;

  std::int64_t rows_ = 1;      // of the outermost level
  std::vector<Level> levels_;  // the outermost first; one or more
};

std::int64_t elements(const Dims& shape);

}  // namespace dure::mesh
