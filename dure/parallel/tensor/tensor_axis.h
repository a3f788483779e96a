// The ranks that share each matrix: the tensor axis, as one of them sees it.
//
// T ranks go through a layer together, with the same N rows. The residual
// stream between layers, with the norms and dropout on it, is either whole on
// each of them [1], or cut by rows: each rank has N / T neighbouring rows, so
// that nothing is done twice [2, "sequence parallelism"]. The rows of a
// micro-batch are cut whatever sequence they belong to, because all operations
// there go by row.
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

// References to what a rank owns, and the settings of this pass.
struct TensorAxis {
  Stream* stream = nullptr;
  Arena* arena = nullptr;
  comm::Communicator* ranks = nullptr;
  Rows rows = Rows::kWhole;
  comm::SumOrder sums = comm::SumOrder::kFast;

  // This rank's part of every cut weight.
  mesh::Part part() const { return {ranks->rank(), ranks->size()}; }

  // How many of N rows the stream has here. Throws Error if they are cut and T
  // does not divide N.
  std::int64_t stream_rows(std::int64_t N) const;

  // N, from the rows of a stream.
  std::int64_t all_rows(std::int64_t stream_rows) const;

  // The rows of this rank's stream among N rows: all, or its N / T.
  RowRange own(std::int64_t N) const;

  // The rows of a partial sum, among N rows, to which this rank adds biases,
  // residuals and the like, so that the sum over all ranks has them once. If
  // the stream is whole, the first rank adds all of them.
  RowRange completed(std::int64_t N) const;
};

}  // namespace dure::parallel
