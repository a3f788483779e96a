#include "dure/mesh/sharding.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

std::int64_t product(std::span<const std::int64_t> dims) {
  return std::accumulate(
      dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// The sections of the cut dim; the whole dim where none are named.
Dims sections_of(const Dims& shape, const Sharding& sharding) {
  const auto dim = static_cast<std::size_t>(sharding.dim);
  DURE_CHECK(dim < shape.size(),
             "a tensor of ",
             shape.size(),
             " dimensions can't be cut along dimension ",
             dim);
  if (sharding.sections.empty()) {
    return {shape[dim]};
  }
  const std::int64_t sum = std::accumulate(
      sharding.sections.begin(), sharding.sections.end(), std::int64_t{0});
  DURE_CHECK(sum == shape[dim],
             "the sections of a dimension of ",
             shape[dim],
             " sum to ",
             sum);
  return sharding.sections;
}

// How many ranks hold the same of each section.
Dims copies_of(const Sharding& sharding, std::size_t sections) {
  if (sharding.copies.empty()) {
    return Dims(sections, 1);
  }
  DURE_CHECK(sharding.copies.size() == sections,
             "a cut of ",
             sections,
             " sections says how many ranks hold the same of ",
             sharding.copies.size());
  return sharding.copies;
}

// A section's part on one rank.
struct Piece {
  std::int64_t section = 0;  // as long as it is
  std::int64_t length = 0;   // of one part
  std::int64_t first = 0;    // where this rank's begins, in the section
};

Piece piece_of(std::int64_t section, std::int64_t copies, Part part) {
  DURE_CHECK(part.count >= 1,
             "a tensor is cut into 1 or more parts, not ",
             part.count);
  DURE_CHECK(copies >= 1 && part.count % copies == 0,
             part.count,
             " ranks are not groups of ",
             copies,
             " that hold the same");
  const std::int64_t parts = part.count / copies;
  DURE_CHECK(section % parts == 0,
             "a dimension of ",
             section,
             " does not divide into ",
             parts,
             " equal parts");
  const std::int64_t length = section / parts;
  return {section, length, part.index / copies * length};
}

std::vector<Piece> pieces_of(const Dims& shape,
                             const Sharding& sharding,
                             Part part) {
  const Dims sections = sections_of(shape, sharding);
  const Dims copies = copies_of(sharding, sections.size());
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    pieces.push_back(piece_of(sections[i], copies[i], part));
  }
  return pieces;
}

// What both say as one, where the second goes on with the first.
void append(std::vector<Stretch>& runs, const Stretch& next) {
  if (!runs.empty() && runs.back().global + runs.back().length == next.global) {
    runs.back().length += next.length;
  } else if (next.length > 0) {
    runs.push_back(next);
  }
}

}  // namespace

std::int64_t elements(const Dims& shape) {
  return product(shape);
}

Dims local_shape(const Dims& shape,
                 const std::optional<Sharding>& sharding,
                 std::int64_t count) {
  if (!sharding) {
    return shape;
  }
  std::int64_t length = 0;
  for (const Piece& piece : pieces_of(shape, *sharding, {0, count})) {
    length += piece.length;
  }
  Dims local = shape;
  local[static_cast<std::size_t>(sharding->dim)] = length;
  return local;
}

LocalPart::LocalPart(const Dims& shape,
                     const std::optional<Sharding>& sharding,
                     Part part) {
  std::int64_t inner = product(shape);
  std::vector<Piece> pieces = {{.section = 1, .length = 1}};
  if (sharding) {
    pieces = pieces_of(shape, *sharding, part);
    const auto dim = static_cast<std::size_t>(sharding->dim);
    rows_ = product(std::span(shape).first(dim));
    inner = product(std::span(shape).subspan(dim + 1));
  }
  for (const Piece& piece : pieces) {
    append(runs_,
           {.local = row_.local,
            .global = row_.global + piece.first * inner,
            .length = piece.length * inner});
    row_.local += piece.length * inner;
    row_.global += piece.section * inner;
  }
  if (row_.local == row_.global && !runs_.empty()) {  // it is not cut
    row_ = {rows_ * row_.local, rows_ * row_.global};
    rows_ = 1;
    runs_ = {{.local = 0, .global = 0, .length = row_.local}};
  }
}

std::vector<Stretch> LocalPart::stretches(std::int64_t first,
                                          std::int64_t count) const {
  const std::int64_t last = first + count;
  DURE_CHECK(first >= 0 && count >= 0 && last <= elements(),
             "elements ",
             first,
             " to ",
             last,
             " are not of a part of ",
             elements());
  std::vector<Stretch> result;
  for (std::int64_t row = count > 0 ? first / row_.local : rows_;
       row < rows_ && row * row_.local < last;
       ++row) {
    for (const Stretch& run : runs_) {
      const std::int64_t local = row * row_.local + run.local;
      const std::int64_t from = std::max(first, local);
      const std::int64_t to = std::min(last, local + run.length);
      if (from < to) {
        result.push_back(
            {.local = from,
             .global = row * row_.global + run.global + (from - local),
             .length = to - from});
      }
    }
  }
  return result;
}

std::int64_t LocalPart::before(std::int64_t global) const {
  if (row_.global == 0) {
    return 0;
  }
  std::int64_t count = global / row_.global * row_.local;
  for (const Stretch& run : runs_) {
    count += std::clamp<std::int64_t>(
        global % row_.global - run.global, 0, run.length);
  }
  return count;
}

}  // namespace dure::mesh
