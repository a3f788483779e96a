#include "dure/report/bandwidth_plot.h"

#include <gtest/gtest.h>

#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

std::string plot_of(int ranks) {
  const comm::Measurement row = {.back_end = "<self>",
                                 .kind = comm::Kind::kAllReduce,
                                 .ranks = ranks,
                                 .bytes = 1024,
                                 .seconds = 1e-7};
  std::string svg = to_svg({&row, 1});
  EXPECT_EQ(WellFormed(svg).error(), "") << svg;
  return svg;
}

TEST(BandwidthPlot, HasACurveForWhatMovesBetweenRanks) {
  EXPECT_NE(plot_of(2).find("stroke-width=\"2\""), std::string::npos);
  EXPECT_EQ(plot_of(1).find("stroke-width=\"2\""), std::string::npos);
}

}  // namespace
}  // namespace dure::report
