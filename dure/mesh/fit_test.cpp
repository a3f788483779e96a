#include "dure/mesh/fit.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

std::string error_of(Mesh::Sizes sizes, int ranks) {
  try {
    fit(sizes, ranks);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Fit, GivesDataWhatIsLeft) {
  EXPECT_EQ(fit({.pipe = 4, .data = kAuto, .tensor = 2}, 16),
            (Mesh::Sizes{.pipe = 4, .data = 2, .tensor = 2}));
  EXPECT_EQ(fit({.data = kAuto}, 7), (Mesh::Sizes{.data = 7}));
  EXPECT_EQ(fit({.data = kAuto, .context = 3, .expert = 5}, 15).data, 1);
}

TEST(Fit, TakesSizesThatMakeTheRanks) {
  const Mesh::Sizes sizes{.pipe = 4, .data = 2, .tensor = 2};
  EXPECT_EQ(fit(sizes, 16), sizes);
}

TEST(Fit, ListsWhatWouldDoWithDataLeftOpen) {
  EXPECT_EQ(error_of({.pipe = 2, .data = kAuto, .tensor = 3}, 16),
            "wanted a multiple of tensor 3 x pipeline 2 = 6 ranks, got 16; "
            "these sizes take 12 or 18, and 16 ranks take tensor 4 x pipeline "
            "2, tensor 2 x pipeline 2 or tensor 4 x pipeline 1");
  // No smaller number of ranks fits one of each.
  EXPECT_EQ(error_of({.data = kAuto, .tensor = 8}, 4),
            "wanted a multiple of tensor 8 = 8 ranks, got 4; these sizes take "
            "8, and 4 ranks take tensor 4, tensor 2 or tensor 1");
}

TEST(Fit, ListsWhatWouldDoWithDataGiven) {
  EXPECT_EQ(error_of({.pipe = 4, .data = 3, .tensor = 2}, 16),
            "wanted tensor 2 x pipeline 4 x data 3 = 24 ranks, got 16; 16 "
            "ranks take tensor 2 x pipeline 4 x data 2, tensor 1 x pipeline 4 "
            "x data 4 or tensor 2 x pipeline 2 x data 4");
  EXPECT_EQ(error_of({.data = 2}, 3),
            "wanted data 2 = 2 ranks, got 3; 3 ranks take data 3");
}

// Whatever is refused, the proposed sizes fit.
TEST(Fit, RefusesExactlyWhatDoesNotMultiply) {
  for (int ranks = 1; ranks <= 24; ++ranks) {
    for (int tensor = 1; tensor <= 6; ++tensor) {
      for (int pipe = 1; pipe <= 6; ++pipe) {
        for (int data = kAuto; data <= 4; ++data) {
          const Mesh::Sizes sizes{.pipe = pipe, .data = data, .tensor = tensor};
          const bool fits = data == kAuto ? ranks % (tensor * pipe) == 0
                                          : tensor * pipe * data == ranks;
          EXPECT_EQ(error_of(sizes, ranks) == "no error", fits);
          if (fits) {
            EXPECT_EQ(Mesh(fit(sizes, ranks)).size(), ranks);
          }
        }
      }
    }
  }
}

TEST(Fit, RefusesSizesAndRanksOutOfRange) {
  EXPECT_EQ(error_of({.tensor = 0}, 4),
            "tensor: wanted a size of 1 or more, got 0");
  EXPECT_EQ(error_of({.data = -1}, 4),
            "data: wanted a size of 1 or more, got -1");
  EXPECT_EQ(error_of({}, 0), "wanted from 1 to 1048576 ranks, got 0");
  EXPECT_EQ(error_of({}, kMostRanks + 1),
            "wanted from 1 to 1048576 ranks, got 1048577");
  EXPECT_EQ(error_of({.pipe = 1 << 30, .tensor = 1 << 30}, 4),
            "a mesh has at most 1048576 ranks, got tensor 1073741824 x "
            "pipeline 1073741824 x data 1");
}

}  // namespace
}  // namespace dure::mesh
