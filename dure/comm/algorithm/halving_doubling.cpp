// Recursive halving and doubling [plan.h: 1, sections 4.1 to 4.5; 3].
#include <bit>

#include "dure/comm/algorithm/plan_builder.h"

namespace dure::comm {
namespace {

// The core is the largest power of two of ranks. The ranks beyond it are paired
// with their neighbours: of ranks 2i and 2i + 1, for i below `extra`, one is in
// the core for both.
class Core {
 public:
  explicit Core(PlanBuilder& b)
      : b_(b),
        size_(
            static_cast<int>(std::bit_floor(static_cast<unsigned>(b.ranks())))),
        extra_(b.ranks() - size_),
        root_(id_of(b.root())),
        me_(id_of(b.rank())),
        inside_(rank_of(me_) == b.rank()) {}

  enum class Into : std::uint8_t { kSum, kPlace };

  // The core takes the data of the ranks outside.
  void take_in(Into into) {
    if (has_pair()) {
      const int peer = b_.rank() ^ 1;
      if (into == Into::kSum) {
        inside_ ? b_.reduce(peer, b_.all(), Payload::kSummand)
                : b_.send(peer, b_.all(), Payload::kSummand);
      } else {
        inside_ ? b_.receive(peer, b_.one(peer))
                : b_.send(peer, b_.one(b_.rank()));
      }
    }
    end_pairs();
  }

  // The ranks outside get their result: everything, or their own piece.
  void give_out_all() {
    if (has_pair()) {
      const int peer = b_.rank() ^ 1;
      inside_ ? b_.send(peer, b_.all()) : b_.receive(peer, b_.all());
    }
    end_pairs();
  }
  void give_out_own() {
    if (has_pair()) {
      const int peer = b_.rank() ^ 1;
      inside_ ? b_.send(peer, b_.one(peer))
              : b_.receive(peer, b_.one(b_.rank()));
    }
    end_pairs();
  }

  // Each rank exchanges half of what it still has with the rank that keeps the
  // other half, and ends with the sum of its own block.
  void halve() {
    for (int bit = size_ / 2; bit > 0; bit /= 2) {
      if (inside_) {
        const int peer = me_ ^ bit;
        b_.send(rank_of(peer), blocks(peer, bit), load_of(me_, bit));
        b_.reduce(rank_of(peer), blocks(me_, bit), load_of(peer, bit));
      }
      b_.end_rounds();
    }
  }

  // Each rank exchanges everything that it has.
  void double_up() {
    for (int bit = 1; bit < size_; bit *= 2) {
      if (inside_) {
        const int peer = me_ ^ bit;
        b_.send(rank_of(peer), blocks(me_, bit));
        b_.receive(rank_of(peer), blocks(peer, bit));
      }
      b_.end_rounds();
    }
  }

  // Doubling in which only the root's side receives.
  void gather_to_root() {
    for (int bit = 1; bit < size_; bit *= 2) {
      if (inside_ && agrees_below(bit)) {
        const int peer = me_ ^ bit;
        on_roots_side(bit) ? b_.receive(rank_of(peer), blocks(peer, bit))
                           : b_.send(rank_of(peer), blocks(me_, bit));
      }
      b_.end_rounds();
    }
  }

  // Does the reverse of gather_to_root().
  void scatter_from_root() {
    for (int bit = size_ / 2; bit > 0; bit /= 2) {
      if (inside_ && agrees_below(bit)) {
        const int peer = me_ ^ bit;
        on_roots_side(bit) ? b_.send(rank_of(peer), blocks(peer, bit))
                           : b_.receive(rank_of(peer), blocks(me_, bit));
      }
      b_.end_rounds();
    }
  }

 private:
  bool has_pair() const { return b_.rank() < 2 * extra_; }
  void end_pairs() { b_.end_rounds(extra_ > 0 ? 1 : 0); }

  int id_of(int rank) const {
    return rank < 2 * extra_ ? rank / 2 : rank - extra_;
  }
  // The rank in the core: the root, or else the odd one of a pair.
  int rank_of(int id) const {
    if (id >= extra_) {
      return id + extra_;
    }
    return b_.root() == 2 * id ? 2 * id : 2 * id + 1;
  }

  // The pieces of the `count` ids around `id`.
  Pieces blocks(int id, int count) const {
    const int first = id & ~(count - 1);
    return {block(first), block(first + count)};
  }
  // Where an id's pieces begin: it has one, or one for each rank it stands for.
  int block(int id) const {
    if (b_.pieces() == size_) {
      return id;
    }
    return id < extra_ ? 2 * id : id + extra_;
  }

  Payload load_of(int id, int bit) const {
    const bool untouched = bit == size_ / 2 && id >= extra_;
    return untouched ? Payload::kSummand : Payload::kPartial;
  }

  bool agrees_below(int bit) const { return ((me_ ^ root_) & (bit - 1)) == 0; }
  bool on_roots_side(int bit) const { return ((me_ ^ root_) & bit) == 0; }

  PlanBuilder& b_;
  int size_;
  int extra_;
  int root_;
  int me_;
  bool inside_;
};

// In round k a rank notifies the one 2^k further, so after log2 N rounds every
// rank knows of every other. This is dissemination: Hensgen, Finkel & Manber
// 1988, "Two algorithms for barrier synchronization".
void disseminate(PlanBuilder& b) {
  for (int distance = 1; distance < b.ranks(); distance *= 2) {
    b.send(b.along(b.rank(), distance), b.all());
    b.receive(b.along(b.rank(), -distance), b.all());
    b.end_rounds();
  }
}

}  // namespace

void plan_halving_doubling(PlanBuilder& b, Kind kind) {
  Core core(b);
  switch (kind) {
    case Kind::kBroadcast:
      core.scatter_from_root();
      core.double_up();
      return core.give_out_all();
    case Kind::kReduce:
      core.take_in(Core::Into::kSum);
      core.halve();
      return core.gather_to_root();
    case Kind::kAllReduce:
      core.take_in(Core::Into::kSum);
      core.halve();
      core.double_up();
      return core.give_out_all();
    case Kind::kAllGather:
      core.take_in(Core::Into::kPlace);
      core.double_up();
      return core.give_out_all();
    case Kind::kReduceScatter:
      core.take_in(Core::Into::kSum);
      core.halve();
      return core.give_out_own();
    default:  // barrier
      return disseminate(b);
  }
}

}  // namespace dure::comm
