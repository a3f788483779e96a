// Plans along a binomial tree. The parent of rank v, counted from the root, is
// v without its lowest bit, and its subtree ends before v plus that bit.
//
//   0 -+- 1            of 6 ranks
//      +- 2 --- 3
//      +- 4 --- 5
#include <algorithm>
#include <bit>

#include "dure/comm/algorithm/plan_builder.h"

namespace dure::comm {
namespace {

enum class Cargo : std::uint8_t { kAll, kSubtree };

// One rank's view of the rounds: at distance `bit`, the multiples of 2 bit
// exchange with the ranks `bit` above them.
class Binomial {
 public:
  Binomial(PlanBuilder& b, int root)
      : b_(b), root_(root), me_(b.along(b.rank(), -root)) {}

  void down(Cargo cargo) {
    for (int bit = height() / 2; bit > 0; bit /= 2) {
      if (is_child(bit)) {
        for_cargo(cargo, me_, bit, [&](Pieces pieces) {
          b_.receive(rank_of(me_ - bit), pieces);
        });
      } else if (is_parent(bit)) {
        for_cargo(cargo, me_ + bit, bit, [&](Pieces pieces) {
          b_.send(rank_of(me_ + bit), pieces);
        });
      }
      b_.end_rounds();
    }
  }

  void gather_up() {
    for (int bit = 1; bit < height(); bit *= 2) {
      if (is_child(bit)) {
        for_cargo(Cargo::kSubtree, me_, bit, [&](Pieces pieces) {
          b_.send(rank_of(me_ - bit), pieces);
        });
      } else if (is_parent(bit)) {
        for_cargo(Cargo::kSubtree, me_ + bit, bit, [&](Pieces pieces) {
          b_.receive(rank_of(me_ + bit), pieces);
        });
      }
      b_.end_rounds();
    }
  }

  void reduce_up() {
    for (int bit = 1; bit < height(); bit *= 2) {
      if (is_child(bit)) {
        b_.send(rank_of(me_ - bit), b_.all(), load_of(me_, bit));
      } else if (is_parent(bit)) {
        b_.reduce(rank_of(me_ + bit), b_.all(), load_of(me_ + bit, bit));
      }
      b_.end_rounds();
    }
  }

 private:
  int height() const {
    return static_cast<int>(std::bit_ceil(static_cast<unsigned>(b_.ranks())));
  }
  bool is_child(int bit) const { return me_ % (2 * bit) == bit; }
  bool is_parent(int bit) const {
    return me_ % (2 * bit) == 0 && me_ + bit < b_.ranks();
  }
  int rank_of(int v) const { return b_.along(root_, v); }

  // A leaf sends its own summand.
  Payload load_of(int v, int bit) const {
    return bit > 1 && v + 1 < b_.ranks() ? Payload::kPartial
                                         : Payload::kSummand;
  }

  // The subtree of `child` has at most `bit` ranks; past the last rank it
  // continues at rank 0.
  template <typename Call>
  void for_cargo(Cargo cargo, int child, int bit, const Call& call) const {
    if (cargo == Cargo::kAll) {
      return call(b_.all());
    }
    const int first = rank_of(child);
    const int count = std::min(bit, b_.ranks() - child);
    const int last = std::min(first + count, b_.ranks());
    call({first, last});
    if (last - first < count) {
      call({0, count - (last - first)});
    }
  }

  PlanBuilder& b_;
  int root_;
  int me_;
};

}  // namespace

void plan_tree(PlanBuilder& b, Kind kind) {
  Binomial tree(b, b.root());
  switch (kind) {
    case Kind::kBroadcast:
      return tree.down(Cargo::kAll);
    case Kind::kReduce:
      return tree.reduce_up();
    case Kind::kScatter:
      return tree.down(Cargo::kSubtree);
    case Kind::kGather:
      return tree.gather_up();
    case Kind::kAllGather:
      tree.gather_up();
      return tree.down(Cargo::kAll);
    case Kind::kReduceScatter:
      tree.reduce_up();
      return tree.down(Cargo::kSubtree);
    default:  // all_reduce, barrier
      tree.reduce_up();
      return tree.down(Cargo::kAll);
  }
}

}  // namespace dure::comm
