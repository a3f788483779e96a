// Saves tensors that are sharded over ranks: rank 0 gathers them piece by
// piece.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/sharded/gather_plan.h"
#include "dure/comm/communicator.h"
#include "dure/tensor/arena.h"
#include "dure/train/weight_parts.h"

namespace dure::train {

// A rank's parts of a checkpoint's tensors. All ranks cut the weights into
// equally many parts along the same axes. The thread that saves calls `acquire`
// and releases what it returns.
struct Holding {
  const WeightCuts& cuts;
  std::vector<OwnedPart> parts;
  std::function<PartInUse(const OwnedPart&)> acquire;
};

// The most memory that saving takes in a rank's arena: on rank 0 the pieces in
// flight and the received parts of the next one, on others the parts that they
// send.
inline constexpr std::uint64_t kGatherBytes =
    checkpoint::kInFlightBytes + checkpoint::kPieceBytes;

// A source of a checkpoint's pieces (checkpoint::TensorSource). All ranks
// collect the same pieces in the same order. Rank 0 does not receive what it
// has, and makes no copy of a piece that it has whole. If several others have a
// part, one of them sends it. A rank sends one message a piece, however many
// stretches it consists of.
class TensorGatherer {
 public:
  // Collective: ranks tell one another which ranges they have, in one or two
  // numbers a range. All arguments outlive this; the plan's files are the same
  // on every rank.
  TensorGatherer(const checkpoint::CheckpointPlan& plan,
                 const Holding& holding,
                 comm::Communicator& comm,
                 Arena& arena);

  // Returns the piece on rank 0, and nothing on the others. A piece that has to
  // be received is in the arena, under Category::kCommunication. A part is
  // acquired while it is copied or sent; if the piece lies in it, for as long
  // as the piece has its owner. Throws Error, on every rank, if no rank has
  // some element.
  checkpoint::PieceBytes collect(const checkpoint::TensorPiece& piece);

 private:
  // The elements of a rank's parts of all tensors are numbered one tensor after
  // another, in the order of the files. Every rank has equally many.
  struct GatheredTensor {
    const model::WeightSpec* weight;
    mesh::LocalPart mine;
    std::int64_t first;
    checkpoint::FileDtype dtype;
  };
  struct PlacedPart {
    ElementRange at;
    const OwnedPart* part;
  };
  struct Holder {
    mesh::Place place = {};
    std::vector<ElementRange> held = {};
  };
  using ElementRanges = std::vector<ElementRange>;  // of one whole tensor
  using Words = std::vector<std::int64_t>;

  void place_tensors(const checkpoint::CheckpointPlan& plan);
  void place_parts();
  Holder mine() const;
  static Words words_of(const Holder& holder);
  Holder holder_of(const Words& words) const;
  ElementRanges held_by(const Holder& holder,
                        const GatheredTensor& tensor,
                        const ElementRange& wanted) const;
  static std::int64_t bytes_in(const GatheredTensor& tensor,
                               std::int64_t elements);
  std::vector<PlacedPart> own(const GatheredTensor& tensor,
                              const ElementRange& stretch) const;
  PartInUse acquire(const GatheredTensor& tensor, const PlacedPart& some) const;
  void copy_own(const GatheredTensor& tensor,
                const ElementRange& stretch,
                const Tensor& to) const;
  Tensor staging(std::int64_t first, std::int64_t bytes);
  void send(const GatheredTensor& tensor, const ElementRanges& given);
  checkpoint::PieceBytes receive(const GatheredTensor& tensor,
                                 const ElementRange& wanted,
                                 const std::map<int, ElementRanges>& givers);

  const Holding& holding_;
  comm::Communicator& comm_;
  Arena& arena_;
  std::map<std::string_view, GatheredTensor> tensors_;
  std::int64_t elements_ = 0;
  std::int64_t largest_piece_ = 0;      // bytes
  std::vector<PlacedPart> parts_;       // by their first element
  std::vector<Holder> holders_;         // by rank
  std::optional<OwnedTensor> staging_;  // allocated when first needed
};

// Collective: rank 0 writes the checkpoint, the others send the parts that they
// alone have. An Error on rank 0 ends the others too, when they communicate
// next.
void save_parts(const Path& folder,
                const checkpoint::CheckpointPlan& plan,
                const Holding& holding,
                comm::Communicator& comm,
                Arena& arena);

}  // namespace dure::train
