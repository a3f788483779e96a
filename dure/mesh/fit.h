// Sizes of a mesh for so many ranks: "auto" filled in, or what would do.
#pragma once

#include "dure/mesh/mesh.h"

namespace dure::mesh {

// A value of Mesh::Sizes::data: as many ranks as the other axes leave.
inline constexpr int kAuto = 0;

// The sizes, with data filled in where it is kAuto. Throws UsageError if their
// product is not `ranks`, and names the numbers of ranks that fit these sizes
// and the nearest sizes that fit `ranks`.
Mesh::Sizes fit(Mesh::Sizes sizes, int ranks);

}  // namespace dure::mesh
