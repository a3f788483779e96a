// How one tensor is cut along an axis of the mesh. Arithmetic only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dure/mesh/mesh.h"

namespace dure::mesh {

using Dims = std::vector<std::int64_t>;

// Rank c of n along `axis` holds the c-th of n equal parts of `dim`.
struct Sharding {
  Axis axis = Axis::kTensor;
  int dim = 0;
  // A fused matrix is several along `dim`, each cut by itself: the rows of
  // (q, k, v) on every rank are its part of q, of k and of v. Their lengths, or
  // nothing where the dim is one piece.
  Dims sections = {};
  // How many neighbouring ranks hold the same part of each section; empty: one.
  Dims copies = {};

  bool operator==(const Sharding&) const = default;
};

// Which part of how many.
struct Part {
  std::int64_t index = 0;
  std::int64_t count = 1;
};

// The shape of one rank's part; without sharding, all of it. Throws Error where
// a section does not divide by `count`.
Dims local_shape(const Dims& shape,
                 const std::optional<Sharding>& sharding,
                 std::int64_t count);

// Elements that are neighbours both in a rank's part and in the whole tensor
// (both row-major): offsets and length.
struct Stretch {
  std::int64_t local = 0;
  std::int64_t global = 0;
  std::int64_t length = 0;
  bool operator==(const Stretch&) const = default;
};

// The part's elements, ascending in `local`: what a rank fills when it draws
// values by global index, and what it reads from a file that holds the whole.
std::vector<Stretch> stretches(const Dims& shape,
                               const std::optional<Sharding>& sharding,
                               Part part);

std::int64_t elements(const Dims& shape);

}  // namespace dure::mesh
