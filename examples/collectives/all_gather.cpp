// All-gather: all ranks get all parts. The parts here are blocks of columns of
// a matrix, like the outputs of a column-parallel layer.
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short

int main() {
  return run(4, [](Communicator& comm) {
    constexpr std::int64_t kRows = 2;
    constexpr std::int64_t kColumns = 2;  // of a rank
    const auto ranks = static_cast<std::int64_t>(comm.size());
    std::vector<float> block(kRows * kColumns, static_cast<float>(comm.rank()));
    std::vector<float> blocks(block.size() * static_cast<std::size_t>(ranks));
    show(comm, "before all_gather", tensor_of(block, {kRows, kColumns}));
    comm.run(
        host(),
        dure::comm::AllGather{.y = tensor_of(blocks), .x = tensor_of(block)});
    show(comm,
         "after: one block behind the other",
         tensor_of(blocks, {ranks * kRows, kColumns}));

    std::vector<float> matrix(blocks.size());
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
        const std::int64_t row = i / kColumns;
        const std::int64_t column = rank * kColumns + i % kColumns;
        matrix[static_cast<std::size_t>(row * ranks * kColumns + column)] =
            blocks[static_cast<std::size_t>(rank * kRows * kColumns + i)];
      }
    }
    show(comm,
         "the blocks side by side",
         tensor_of(matrix, {kRows, ranks * kColumns}));
  });
}
