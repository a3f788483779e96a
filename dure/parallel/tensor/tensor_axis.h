// The ranks that share each matrix: the tensor axis, as one of them sees it.
//
// T ranks go through a layer together, with the same N rows. The residual
// stream between layers, and norms and dropout on it, is whole on each of them
// [1], or cut by rows: each has N / T neighbouring rows, so that nothing is
// done twice [2, "sequence parallelism"]. It is cut by rows of the micro-batch,
// whatever sequence they belong to, since all that is done there is by row.
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053, section 3 (Megatron-LM).
// [2] Korthikanti et al. 2022, arXiv:2205.05198, section 4.2.
#pragma once

#include <cstdint>

#include "dure/comm/communicator.h"
#include "dure/mesh/placement.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

enum class Rows : std::uint8_t { kWhole, kCut };

struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
  bool operator==(const RowRange&) const = default;
};

// References to what a rank owns, and how this pass uses it.
struct TensorAxis {
  Stream* stream = nullptr;
  Arena* arena = nullptr;
  comm::Communicator* ranks = nullptr;
  Rows rows = Rows::kWhole;
  comm::SumOrder sums = comm::SumOrder::kFast;

  // This rank's part of every cut weight.
  mesh::Part part() const { return {ranks->rank(), ranks->size()}; }

  // How many of N rows the stream has here. Throws Error where they are cut
  // and T does not divide N.
  std::int64_t stream_rows(std::int64_t N) const;

  // N, given the rows of a stream.
  std::int64_t all_rows(std::int64_t stream_rows) const;

  // Of N rows, those of this rank's stream: all, or its N / T.
  RowRange own(std::int64_t N) const;

  // Of N rows of a partial sum, those that this rank adds biases, residuals and
  // the like to, so that the sum over all ranks has them once: where the stream
  // is whole, the first rank adds all.
  RowRange completed(std::int64_t N) const;
};

}  // namespace dure::parallel
