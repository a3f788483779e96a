// Where every weight and its gradient lie, and which are communicated together.
// Arithmetic only.
//
// All weights of a rank lie one after another in one flat array, which is cut
// into buckets of whole weights. Gradients become ready from the last weight to
// the first, so buckets are filled in that order: the first one is small, so
// that communication begins early, the others are of one size [1, section
// 3.2.3; Horovod's tensor fusion is the same idea].
//
// Each bucket divides into as many parts as there are ranks that its gradient
// is summed over. With ZeRO a rank owns a part of every bucket [2, section 5].
// Weights start at multiples of 16 elements, and parts are multiples of 16. So
// a part consists of whole cache lines, and a sum over groups of 16 elements
// does not depend on the cut.
//
// By default parts are equal, with padding at the bucket's end. For optimizers
// that need whole weights, each weight goes to the part that has the fewest
// elements of all buckets so far, the largest weights of a bucket first, and
// parts have the lengths that follow.
//
// [1] Li et al. 2020, arXiv:2006.15704 (PyTorch DDP). [2] Rajbhandari et al.
// 2020, arXiv:1910.02054 (ZeRO).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "dure/kernels/update.h"
#include "dure/mesh/placement.h"
#include "dure/tensor/dtype.h"

namespace dure::parallel {

inline constexpr std::int64_t kAlignment = 16;  // elements

struct PlannedWeight {
  std::int64_t elements = 0;
  std::vector<int> units;  // units of the model that use it
  int group = 0;           // weights of different groups share no bucket
  // Weights whose gradients are summed over different ranks share no bucket
  // either: each set of ranks has a number.
  int replicas = 0;
  // Whether another stage has it, too, and gives it to the same part.
  bool is_tied = false;
};

// kBySize: as many weights as fill a bucket. kByUnits: the weights that the
// same units use, and no others, so that a unit can have its weights alone.
enum class BucketCut : std::uint8_t { kBySize, kByUnits };

struct BucketOptions {
  DType gradients;  // the type that bytes are counted in
  double first_bytes = 1 << 20;
  double bytes = 25 << 20;
  std::vector<int> parts = {1};  // ranks, by PlannedWeight::replicas
  BucketCut cut = BucketCut::kBySize;
  kernels::SpanCut spans = kernels::SpanCut::kAnywhere;
};

struct Bucket {
  int first = 0;  // weights [first, last)
  int last = 0;
  std::int64_t offset = 0;    // of its first element
  std::int64_t elements = 0;  // with padding
  // The elements before each of its parts, and after the last: multiples of
  // kAlignment.
  std::vector<std::int64_t> cuts = {};
  std::vector<int> units = {};  // those that use any of its weights, ascending
  int replicas = 0;             // PlannedWeight::replicas of its weights
};

struct BucketPlan {
  std::vector<int> parts = {};        // of buckets, by Bucket::replicas
  std::int64_t elements = 0;          // of all buckets
  std::vector<Bucket> buckets;        // in the order of the weights
  std::vector<std::int64_t> offsets;  // of each weight
  std::vector<std::int64_t> lengths;  // of each weight

  // The elements that belong to no weight.
  std::int64_t padding() const;
};

// Throws Error unless sizes are positive.
BucketPlan plan_buckets(std::span<const PlannedWeight> weights,
                        const BucketOptions& options);

// A rank's parts, by Bucket::replicas. Their count divides the plan's number of
// parts: neighbouring parts of the plan make one of these.
using Parts = std::vector<mesh::Part>;

// The elements of a weight that a rank owns.
struct Slice {
  int weight = 0;
  int bucket = 0;
  std::int64_t offset = 0;  // of its first element, in the weight
  std::int64_t elements = 0;
  std::int64_t place = 0;  // in the rank's parts, one after another
};

// All slices of a rank's parts, in the order of the weights.
std::vector<Slice> slices_of(const BucketPlan& plan, const Parts& parts);

// Elements [first, last) of a bucket: one of its parts.
struct PartRange {
  std::int64_t first = 0;
  std::int64_t last = 0;

  std::int64_t elements() const { return last - first; }
};
PartRange part_range(const Bucket& bucket, mesh::Part part);
std::vector<std::int64_t> part_counts(const Bucket& bucket, std::int64_t count);

// Where the bucket's part begins in the rank's parts, which lie one after
// another, and how many elements these have together.
std::int64_t part_place(const BucketPlan& plan, int bucket, const Parts& parts);
std::int64_t part_elements(const BucketPlan& plan, const Parts& parts);

// The buckets that hold a weight of each unit. A rank may have any of the
// model's units.
class UnitBuckets {
 public:
  UnitBuckets() = default;
  explicit UnitBuckets(const BucketPlan& plan);

  // Ascending; empty for a unit that has no weight here.
  const std::vector<int>& of(int unit) const;

  // The units that have weights here, ascending.
  std::vector<int> units() const;

 private:
  std::map<int, std::vector<int>> buckets_;
};

}  // namespace dure::parallel
