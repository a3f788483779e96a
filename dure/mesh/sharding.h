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
  // How many neighbouring ranks hold the same part of each section, where it
  // is not 1: of n ranks rank c holds part c / copies of n / copies. Key-value
  // heads that are fewer than the ranks.
  Dims copies = {};

  bool operator==(const Sharding&) const = default;
};

// Which part of how many.
struct Part {
  std::int64_t index = 0;
  std::int64_t count = 1;
};

// The shape of one rank's part; without sharding, all of it. Throws Error where
// a section does not divide by its parts.
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

// A rank's part of a tensor: where its elements stand in the whole. They are in
// the order of the whole.
class LocalPart {
 public:
  LocalPart(const Dims& shape,
            const std::optional<Sharding>& sharding,
            Part part);

  std::int64_t elements() const { return rows_ * row_.local; }

  // Its elements [first, first + count), ascending: what a rank fills when it
  // draws values by global index, and what it reads from a file that holds the
  // whole. Takes as long as there are stretches.
  std::vector<Stretch> stretches(std::int64_t first, std::int64_t count) const;
  std::vector<Stretch> stretches() const { return stretches(0, elements()); }

  // How many of its elements stand before this one of the whole.
  std::int64_t before(std::int64_t global) const;

  // Whether its elements are neighbours in the whole.
  bool is_one_stretch() const { return rows_ == 1 && runs_.size() == 1; }

 private:
  // The whole is rows (of the cut dim and those after it) that are cut alike.
  std::int64_t rows_ = 1;
  struct {
    std::int64_t local = 0;
    std::int64_t global = 0;
  } row_;                      // elements of one
  std::vector<Stretch> runs_;  // of the first
};

std::int64_t elements(const Dims& shape);

}  // namespace dure::mesh
