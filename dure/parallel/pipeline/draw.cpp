#include "dure/parallel/pipeline/draw.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <limits>
#include <string_view>
#include <vector>

namespace dure::parallel {
namespace {

constexpr double kMostCells = 100'000;  // of a row

double shortest_span(const Replay& replay) {
  double shortest = std::numeric_limits<double>::infinity();
  for (const auto& spans : replay.spans) {
    for (const Span& span : spans) {
      if (span.end > span.start) {
        shortest = std::min(shortest, span.end - span.start);
      }
    }
  }
  return shortest;
}

bool is_whole(double x) {
  return std::abs(x - std::round(x)) < 1e-6;
}

bool is_made_of(const Replay& replay, double slot) {
  for (const auto& spans : replay.spans) {
    for (const Span& span : spans) {
      if (!is_whole(span.start / slot) || !is_whole(span.end / slot)) {
        return false;
      }
    }
  }
  return true;
}

double slot_of(const Replay& replay) {
  const double shortest = shortest_span(replay);
  const double least = replay.makespan / kMostCells;
  for (int parts = 1; parts <= 8 && shortest / parts >= least; ++parts) {
    if (is_made_of(replay, shortest / parts)) {
      return shortest / parts;
    }
  }
  return std::max(shortest, least);
}

// The cells whose middle is in the span.
std::vector<std::string_view> cells_of(const std::vector<Span>& spans,
                                       const std::vector<std::string>& texts,
                                       double slot) {
  std::vector<std::string_view> cells;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const auto first =
        static_cast<std::size_t>(std::ceil(spans[i].start / slot - 0.5));
    const auto last =
        static_cast<std::size_t>(std::ceil(spans[i].end / slot - 0.5));
    if (first < last) {
      cells.resize(std::max(first, cells.size()), "..");
      cells.resize(std::max(last, cells.size()), texts[i]);
    }
  }
  return cells;
}

}  // namespace

std::string draw_text(const ScheduleOptions& options, const Replay& replay) {
  const double slot = slot_of(replay);
  std::vector<std::vector<std::string>> texts;
  std::size_t width = 2;
  for (const auto& spans : replay.spans) {
    texts.emplace_back();
    for (const Span& span : spans) {
      texts.back().push_back(text_of(span.action, options.chunks));
      width = std::max(width, texts.back().back().size());
    }
  }
  const std::size_t label = fmt::format("{}", replay.spans.size() - 1).size();
  std::string text;
  for (std::size_t rank = 0; rank < replay.spans.size(); ++rank) {
    const std::string number = fmt::format("{}", rank);
    text += "rank " + std::string(label - number.size(), ' ');
    text += number + " ";
    std::size_t blanks = 1;
    for (const std::string_view cell :
         cells_of(replay.spans[rank], texts[rank], slot)) {
      text += std::string(blanks, ' ');
      text += cell;
      blanks = width + 1 - cell.size();
    }
    text += "\n";
  }
  return text;
}

}  // namespace dure::parallel
