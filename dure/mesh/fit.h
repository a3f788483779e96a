// Sizes of a mesh for so many ranks: "auto" filled in, or what would do.
#pragma once

#include "dure/mesh/mesh.h"

namespace dure::mesh {

// As Mesh::Sizes::data: as many as the other axes leave.
inline constexpr int kAuto = 0;

// The sizes, with data filled in where it is kAuto. Throws UsageError where
// their product is not `ranks`: it names the numbers of ranks that these sizes
// would take, and the sizes near to these that `ranks` would.
Mesh::Sizes fit(Mesh::Sizes sizes, int ranks);

}  // namespace dure::mesh
