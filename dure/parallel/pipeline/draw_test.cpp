#include "dure/parallel/pipeline/draw.h"

#include <gmock/gmock.h>
#include <string>

#include "dure/base/files.h"
#include "dure/parallel/pipeline/schedule_testing.h"

namespace dure::parallel {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string drawn(ScheduleKind kind, int p, int m, int v = 1) {
  const ScheduleOptions options = options_for(kind, p, m, v);
  return draw_text(options, replay(options));
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

// The lines of a comment after `heading`, as long as they begin with "rank".
std::string comment_behind(const std::string& source,
                           const std::string& heading) {
  std::size_t at = source.find(heading) + heading.size();
  const std::string prefix = "//   rank ";
  std::string text;
  while (source.compare(at, prefix.size(), prefix) == 0) {
    const std::size_t end = source.find('\n', at);
    text += source.substr(at + 5, end + 1 - at - 5);
    at = end + 1;
  }
  return text;
}

TEST(DrawText, IsWhatTheHeaderShows) {
  const std::string header = read_file("dure/parallel/pipeline/schedule.h");
  const std::string text = comment_behind(header, "//   1f1b\n");
  EXPECT_EQ(text, drawn(ScheduleKind::k1F1B, 3, 4));
  EXPECT_EQ(text.substr(0, 20), "rank 0  F0 F1 F2 .. ");
}

TEST(DrawText, NamesChunksAndHalvesSlots) {
  EXPECT_EQ(drawn(ScheduleKind::kInterleaved, 2, 2, 2),
            "rank 0  F0.0 F1.0 F0.1 F1.1 ..   ..   B0.1 B0.1 ..   B1.1 B1.1 "
            "B0.0 B0.0 B1.0 B1.0\n"
            "rank 1  ..   F0.0 F1.0 F0.1 B0.1 B0.1 F1.1 B1.1 B1.1 B0.0 B0.0 "
            "B1.0 B1.0\n");
}

TEST(DrawText, FindsTheSlotThatTimesAreMadeOf) {
  const ScheduleOptions options = options_for(ScheduleKind::kNaive, 1, 1);
  EXPECT_EQ(draw_text(options, replay(options, {.forward = 2, .backward = 3})),
            "rank 0  F0 F0 B0 B0 B0\n");
}

TEST(DrawText, RoundsMeasuredTimesToTheShortest) {
  const ScheduleOptions options = options_for(ScheduleKind::kNaive, 1, 1);
  EXPECT_EQ(
      draw_text(options, replay(options, {.forward = 1, .backward = 2.618})),
      "rank 0  F0 B0 B0 B0\n");
}

TEST(DrawText, LeavesOutWhatTakesNoTime) {
  EXPECT_EQ(drawn(ScheduleKind::kPipedream, 1, 2),
            "rank 0  F0 B0 B0 F1 B1 B1\n");
}

TEST(DrawText, AlignsRanks) {
  EXPECT_THAT(drawn(ScheduleKind::kGpipe, 11, 1), HasSubstr("rank  9  .."));
}

TEST(DrawSvg, HasACellForEachActionAndALegendOfItsPasses) {
  const ScheduleOptions options = options_for(ScheduleKind::kZbV, 4, 8);
  const std::string svg =
      draw_svg(options, replay(options), {.title = "zb-v <4 & 8>"});
  EXPECT_EQ(svg.rfind("<svg xmlns=", 0), 0);
  EXPECT_EQ(count(svg, "<title>"), 4 * 3 * 8 * 2);
  EXPECT_EQ(count(svg, "</title></rect>"), 4 * 3 * 8 * 2);
  EXPECT_THAT(svg, HasSubstr("<title>F0.0: 0 to 0.5 slots</title>"));
  EXPECT_THAT(svg, HasSubstr("zb-v &lt;4 &amp; 8&gt;"));
  EXPECT_THAT(svg, HasSubstr(">backward, weights</text>"));
  EXPECT_THAT(svg, HasSubstr(">(chunks 0 to 1)</text>"));
  EXPECT_THAT(svg, Not(HasSubstr(">update</text>")));
  // Each number is in eight cells for each rank, pass and chunk, and on the
  // axis.
  EXPECT_GE(count(svg, ">7</text>"), 4 * 3 * 2);
}

// Every colour of paper and ink has a variant for the dark.
TEST(DrawSvg, IsDarkWhereTheReaderIs) {
  const ScheduleOptions options = options_for(ScheduleKind::k1F1B, 2, 4);
  const std::string svg = draw_svg(options, replay(options));
  EXPECT_EQ(count(svg, "<style>@media (prefers-color-scheme: dark)"), 1);
  EXPECT_EQ(count(svg, "#ffffff\" class=\"paper\""), 1);
  EXPECT_EQ(count(svg, "#eef0f2\" class=\"lane\""), 2);
  EXPECT_EQ(count(svg, "class=\"cell\" stroke=\"#ffffff\""), 2 * 8);
  EXPECT_EQ(count(svg, "#222222"), 1);
  EXPECT_THAT(svg, HasSubstr("class=\"schedule\""));
}

TEST(DrawSvg, SharesAnAxisWithAnother) {
  const ScheduleOptions options = options_for(ScheduleKind::k1F1B, 2, 4);
  const std::string svg = draw_svg(
      options, replay(options), {.unit = "ms", .until = 30, .pixels = 600});
  // The scale is 20 pixels a millisecond, from the label's 70.
  EXPECT_THAT(svg, HasSubstr("<rect x=\"90\" y=\"94\" width=\"20\""));
  EXPECT_THAT(svg, HasSubstr("width=\"690\""));
  EXPECT_THAT(svg, HasSubstr("time in ms"));
}

TEST(DrawSvg, OfNothingIsStillADrawing) {
  const ScheduleOptions options = {};
  const Replay nothing = {.bubble = {0}, .spans = {{}}};
  EXPECT_THAT(draw_svg(options, nothing), HasSubstr("</svg>"));
  EXPECT_EQ(draw_text(options, nothing), "rank 0 \n");
}

}  // namespace
}  // namespace dure::parallel
