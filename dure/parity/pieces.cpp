#include "dure/parity/pieces.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "dure/base/check.h"
#include "dure/base/half.h"

namespace dure::train {
namespace {

using parallel::Access;

// Elements of f32, bf16 or f16, as floats, without the loss scale.
class Floats {
 public:
  Floats(const Piece& piece, PieceOf of)
      : tensor_(of == PieceOf::kValues ? piece.values : piece.gradient),
        scale_(of == PieceOf::kValues ? 1 : piece.loss_scale) {}

  float operator[](std::int64_t i) const {
    return float_at(tensor_, i) / scale_;
  }

 private:
  ConstTensor tensor_;
  float scale_;
};

// Without its first elements.
Piece without(Piece piece, std::int64_t elements) {
  piece.first += elements;
  piece.count -= elements;
  piece.values = piece.values.rows(elements, piece.count);
  piece.gradient = piece.gradient.rows(elements, piece.count);
  return piece;
}

float largest_of(std::span<const Piece> pieces, PieceOf of) {
  float largest = 0;
  for (const Piece& piece : pieces) {
    const Floats x(piece, of);
    for (std::int64_t i = 0; i < piece.count; ++i) {
      largest = std::max(largest, std::fabs(x[i]));
    }
  }
  return largest;
}

// Merges in place. If several pieces hold the same element, the first stays.
void merge(std::vector<Piece>& pieces) {
  std::stable_sort(
      pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
        return a.first < b.first;
      });
  std::int64_t end = 0;
  std::vector<Piece> once;
  for (const Piece& piece : pieces) {
    if (piece.end() > end) {
      once.push_back(
          without(piece, std::max<std::int64_t>(end - piece.first, 0)));
      end = piece.end();
    }
  }
  pieces = std::move(once);
}

void expect_whole(std::span<const Piece> merged,
                  const model::WeightSpec& spec,
                  const char* who) {
  std::int64_t end = 0;
  const auto expect = [&](std::int64_t next) {
    DURE_CHECK(next == end,
               "no rank of {} owns elements {} to {} of {}: they are in no "
               "update and in no checkpoint",
               who,
               end,
               next - 1,
               spec.name);
  };
  for (const Piece& piece : merged) {
    expect(piece.first);
    end = piece.end();
  }
  expect(mesh::elements(spec.logical));
}

bool too_far(double a, double b, double most) {
  return !same_number(a, b) && !(std::fabs(a - b) <= most);
}

// NaN is farther than all numbers.
double relative(double difference, double largest) {
  const double share = difference / largest;
  return std::isnan(share) ? std::numeric_limits<double>::infinity() : share;
}

// Compares elements [first, end) of the whole, which both sides have.
void compare(const PieceComparison& comparison,
             const Piece& here,
             const Piece& reference,
             ElementDifference& result) {
  const std::int64_t first = std::max(here.first, reference.first);
  const std::int64_t end = std::min(here.end(), reference.end());
  const Floats here_floats(here, comparison.of);
  const Floats reference_floats(reference, comparison.of);
  for (std::int64_t i = 0; i < end - first; ++i) {
    const float a = here_floats[first - here.first + i];
    const float b = reference_floats[first - reference.first + i];
    if (a == b) {
      continue;
    }
    const double difference = std::fabs(static_cast<double>(a) - b);
    if (!same_number(a, b)) {
      result.worst =
          std::max(result.worst, relative(difference, comparison.largest));
    }
    const bool is_first = result.element < 0 || first + i < result.element;
    if (is_first && too_far(a, b, comparison.most)) {
      result.element = first + i;
      result.here = a;
      result.reference = b;
    }
  }
}

}  // namespace

float float_at(const ConstTensor& x, std::int64_t i) {
  switch (x.dtype()) {
    case DType::kBf16:
      return to_float(x.data<Bf16>()[i]);
    case DType::kF16:
      return to_float(x.data<F16>()[i]);
    default:
      return x.data<float>()[i];
  }
}

bool same_number(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

HeldPieces::HeldPieces(Rank& rank, RankModel& rank_model, float loss_scale) {
  parallel::ParameterStore& store = rank_model.store();
  store.wait();
  const mesh::Place place = rank.place();
  const auto specs = model::weights(rank_model.config(),
                                    place.part(mesh::Axis::kTensor).count);
  std::unordered_map<std::string, std::int64_t> places;
  for (const model::WeightSpec& spec : specs) {
    places.emplace(spec.name, std::ssize(places));
  }
  pieces_.resize(specs.size());
  for (int bucket = 0; bucket < store.buckets(); ++bucket) {
    acquired_.push_back(store.acquire(
        bucket, {.master = Access::kRead, .gradient = Access::kRead}));
    for (const parallel::Slice& slice : store.slices(bucket)) {
      const parallel::Shard shard = acquired_.back().shard(slice);
      const std::int64_t weight =
          places.at(rank_model.parameters()
                        .all()[static_cast<std::size_t>(shard.weight)]
                        .name);
      add(specs[static_cast<std::size_t>(weight)],
          place,
          weight,
          {.offset = shard.offset,
           .values = host(rank.stream, shard.master),
           .gradient = host(rank.stream, shard.gradient),
           .loss_scale = loss_scale});
    }
  }
}

ConstTensor HeldPieces::host(Stream& stream, const Tensor& x) {
  return host_.emplace_back(stream, x).tensor();
}

void HeldPieces::add(const model::WeightSpec& spec,
                     const mesh::Place& place,
                     std::int64_t weight,
                     const Part& part) {
  const std::int64_t elements = mesh::elements(spec.logical);
  const mesh::LocalPart local(spec.shape, spec.placement, place);
  for (const mesh::Stretch& stretch :
       local.stretches(part.offset, part.values.elements())) {
    const std::int64_t count =
        std::min(stretch.length, elements - stretch.global);
    if (count > 0) {
      const std::int64_t at = stretch.local - part.offset;
      pieces_[static_cast<std::size_t>(weight)].push_back(
          {.first = stretch.global,
           .count = count,
           .values = part.values.rows(at, count),
           .gradient = part.gradient.rows(at, count),
           .loss_scale = part.loss_scale});
    }
  }
}

Pieces merged(std::span<const Pieces* const> of_ranks,
              const std::vector<model::WeightSpec>& specs,
              const char* who) {
  Pieces all(specs.size());
  for (std::size_t w = 0; w < specs.size(); ++w) {
    for (const Pieces* pieces : of_ranks) {
      all[w].insert(all[w].end(), (*pieces)[w].begin(), (*pieces)[w].end());
    }
    merge(all[w]);
    expect_whole(all[w], specs[w], who);
  }
  return all;
}

Largest largest_of(const Pieces& pieces) {
  Largest largest;
  for (const std::vector<Piece>& weight : pieces) {
    largest.values.push_back(largest_of(weight, PieceOf::kValues));
    largest.gradients.push_back(largest_of(weight, PieceOf::kGradient));
  }
  return largest;
}

ElementDifference compare(const PieceComparison& comparison) {
  ElementDifference result;
  for (const Piece& here : comparison.here) {
    auto other = std::upper_bound(comparison.reference.begin(),
                                  comparison.reference.end(),
                                  here.first,
                                  [](std::int64_t first, const Piece& piece) {
                                    return first < piece.end();
                                  });
    for (; other != comparison.reference.end() && other->first < here.end();
         ++other) {
      compare(comparison, here, *other, result);
    }
  }
  return result;
}

}  // namespace dure::train
