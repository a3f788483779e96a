#include "dure/parallel/data/bucket_plan.h"

#include <algorithm>
#include <numeric>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"

namespace dure::parallel {
namespace {

// A half-open range of weights.
struct Range {
  int first;
  int last;
};

// Whether weight i may join weights i + 1 to `last`, which have so many
// elements.
bool joins(std::span<const PlannedWeight> weights,
           int i,
           const Range& bucket,
           std::int64_t elements,
           double limit_bytes,
           const BucketOptions& options) {
  if (bucket.first == bucket.last) {
    return true;
  }
  if (weights[i].group != weights[bucket.first].group ||
      weights[i].replicas != weights[bucket.first].replicas) {
    return false;
  }
  if (options.cut == BucketCut::kByUnits) {
    return weights[i].units == weights[bucket.first].units;
  }
  return static_cast<double>((elements + weights[i].elements) *
                             size_of(options.gradients)) <= limit_bytes;
}

// Cuts from the last weight to the first.
std::vector<Range> cut(std::span<const PlannedWeight> weights,
                       const BucketOptions& options) {
  std::vector<Range> ranges;
  const int count = static_cast<int>(weights.size());
  Range open = {count, count};
  std::int64_t elements = 0;
  for (int i = count - 1; i >= 0; --i) {
    const double limit = ranges.empty() ? options.first_bytes : options.bytes;
    if (!joins(weights, i, open, elements, limit, options)) {
      ranges.push_back(open);
      open = {i + 1, i + 1};
      elements = 0;
    }
    open.first = i;
    elements += round_up(weights[i].elements, kAlignment);
  }
  if (open.first != open.last) {
    ranges.push_back(open);
  }
  std::reverse(ranges.begin(), ranges.end());
  return ranges;
}

void add_units(std::vector<int>& all, const std::vector<int>& more) {
  for (const int unit : more) {
    const auto at = std::lower_bound(all.begin(), all.end(), unit);
    if (at == all.end() || *at != unit) {
      all.insert(at, unit);
    }
  }
}

// Where the bucket's parts begin, and where its weights lie.
struct Placed {
  std::vector<std::int64_t> cuts;
  std::vector<std::int64_t> offsets;  // in the bucket
};

Placed place_equal(std::span<const PlannedWeight> weights, int parts) {
  Placed placed;
  std::int64_t elements = 0;
  for (const PlannedWeight& weight : weights) {
    placed.offsets.push_back(elements);
    elements += round_up(weight.elements, kAlignment);
  }
  const std::int64_t length = round_up(elements, kAlignment * parts) / parts;
  for (int part = 0; part <= parts; ++part) {
    placed.cuts.push_back(part * length);
  }
  return placed;
}

// `loads` are the elements of each part, in all buckets so far. The place of a
// tied weight, alone in its bucket, does not depend on them.
Placed place_whole(std::span<const PlannedWeight> weights,
                   std::vector<std::int64_t>& loads) {
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return weights[a].elements > weights[b].elements;
  });
  std::vector<std::size_t> owners(weights.size());
  for (const std::size_t i : order) {
    const auto least =
        weights[i].is_tied ? loads.begin() : std::ranges::min_element(loads);
    *least += round_up(weights[i].elements, kAlignment);
    owners[i] = static_cast<std::size_t>(least - loads.begin());
  }
  Placed placed = {.cuts = {0}, .offsets = {}};
  placed.offsets.resize(weights.size());
  for (std::size_t part = 0; part < loads.size(); ++part) {
    std::int64_t next = placed.cuts.back();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (owners[i] == part) {
        placed.offsets[i] = next;
        next += round_up(weights[i].elements, kAlignment);
      }
    }
    placed.cuts.push_back(next);
  }
  return placed;
}

}  // namespace

std::int64_t BucketPlan::padding() const {
  return elements -
         std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

BucketPlan plan_buckets(std::span<const PlannedWeight> weights,
                        const BucketOptions& options) {
  DURE_CHECK(
      options.bytes > 0 && options.first_bytes > 0,
      "wanted buckets of more than 0 bytes, got {:g}, the first one {:g}",
      options.bytes,
      options.first_bytes);
  BucketPlan plan;
  plan.parts = options.parts;
  std::vector<std::vector<std::int64_t>> loads;
  for (const int parts : options.parts) {
    DURE_CHECK(
        parts >= 1, "a bucket divides into 1 or more parts, not {}", parts);
    loads.emplace_back(static_cast<std::size_t>(parts));
  }
  for (const Range& range : cut(weights, options)) {
    const auto own =
        weights.subspan(static_cast<std::size_t>(range.first),
                        static_cast<std::size_t>(range.last - range.first));
    Bucket bucket = {.first = range.first,
                     .last = range.last,
                     .offset = plan.elements,
                     .replicas = own.front().replicas};
    const auto set = static_cast<std::size_t>(bucket.replicas);
    Placed placed = options.spans == kernels::SpanCut::kWholeWeights
                        ? place_whole(own, loads.at(set))
                        : place_equal(own, options.parts.at(set));
    for (std::size_t i = 0; i < own.size(); ++i) {
      plan.offsets.push_back(bucket.offset + placed.offsets[i]);
      plan.lengths.push_back(own[i].elements);
      add_units(bucket.units, own[i].units);
    }
    bucket.cuts = std::move(placed.cuts);
    bucket.elements = bucket.cuts.back();
    plan.elements += bucket.elements;
    plan.buckets.push_back(std::move(bucket));
  }
  return plan;
}

PartRange part_range(const Bucket& bucket, mesh::Part part) {
  const auto index = static_cast<std::size_t>(part.index);
  const std::size_t each =
      (bucket.cuts.size() - 1) / static_cast<std::size_t>(part.count);
  return {bucket.cuts[index * each], bucket.cuts[(index + 1) * each]};
}

std::vector<std::int64_t> part_counts(const Bucket& bucket,
                                      std::int64_t count) {
  std::vector<std::int64_t> counts;
  for (int index = 0; index < count; ++index) {
    counts.push_back(part_range(bucket, {index, count}).elements());
  }
  return counts;
}

namespace {

mesh::Part part_of(const Bucket& bucket, const Parts& parts) {
  return parts.at(static_cast<std::size_t>(bucket.replicas));
}

}  // namespace

std::int64_t part_place(const BucketPlan& plan,
                        int bucket,
                        const Parts& parts) {
  return std::accumulate(
      plan.buckets.begin(),
      plan.buckets.begin() + bucket,
      std::int64_t{0},
      [&](std::int64_t sum, const Bucket& before) {
        return sum + part_range(before, part_of(before, parts)).elements();
      });
}

std::int64_t part_elements(const BucketPlan& plan, const Parts& parts) {
  return part_place(plan, static_cast<int>(plan.buckets.size()), parts);
}

std::vector<Slice> slices_of(const BucketPlan& plan, const Parts& parts) {
  for (std::size_t i = 0; i < plan.parts.size(); ++i) {
    const mesh::Part& part = parts.at(i);
    DURE_CHECK(part.count >= 1 && plan.parts[i] % part.count == 0 &&
                   part.index >= 0 && part.index < part.count,
               "wanted one of a divisor of {} parts, got part {} of {}",
               plan.parts[i],
               part.index,
               part.count);
  }
  std::vector<Slice> slices;
  std::int64_t place = 0;
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    const Bucket& bucket = plan.buckets[b];
    const PartRange range = part_range(bucket, part_of(bucket, parts));
    const std::int64_t begin = bucket.offset + range.first;
    const std::int64_t end = bucket.offset + range.last;
    for (int w = bucket.first; w < bucket.last; ++w) {
      const std::int64_t offset = plan.offsets[w];
      const std::int64_t first = std::max(begin, offset);
      const std::int64_t last = std::min(end, offset + plan.lengths[w]);
      if (first < last) {
        slices.push_back({.weight = w,
                          .bucket = static_cast<int>(b),
                          .offset = first - offset,
                          .elements = last - first,
                          .place = place + first - begin});
      }
    }
    place += range.elements();
  }
  return slices;
}

UnitBuckets::UnitBuckets(const BucketPlan& plan) {
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    for (const int unit : plan.buckets[b].units) {
      buckets_[unit].push_back(static_cast<int>(b));
    }
  }
}

const std::vector<int>& UnitBuckets::of(int unit) const {
  static const std::vector<int> none;
  const auto found = buckets_.find(unit);
  return found == buckets_.end() ? none : found->second;
}

std::vector<int> UnitBuckets::units() const {
  std::vector<int> units;
  for (const auto& [unit, buckets] : buckets_) {
    units.push_back(unit);
  }
  return units;
}

}  // namespace dure::parallel
