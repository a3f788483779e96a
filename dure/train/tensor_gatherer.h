// Saving what is spread over ranks: piece by piece, it comes to rank 0.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "dure/checkpoint/checkpoint.h"
#include "dure/comm/communicator.h"
#include "dure/tensor/arena.h"
#include "dure/train/gather_plan.h"
#include "dure/train/weight_parts.h"

namespace dure::train {

// A source of a checkpoint's pieces (checkpoint::TensorSource). All ranks
// collect the same pieces in the same order. What rank 0 has, it does not
// receive, and where it has all of a piece it makes no copy; what several
// others have, one of them sends.
class TensorGatherer {
 public:
  // Collective. The plan's files are the same on every rank; everything
  // outlives this. Error, on every rank, where no rank has some element.
  TensorGatherer(const checkpoint::CheckpointPlan& plan,
                 std::span<const WeightPart> parts,
                 comm::Communicator& comm,
                 Arena& arena);

  // The piece on rank 0, nothing on the others. A piece that has to be received
  // is in the arena, under Category::kCommunication.
  checkpoint::PieceBytes collect(const checkpoint::TensorPiece& piece);

 private:
  // The tensors' elements are counted one tensor after another, in the order of
  // the files.
  struct Placed {
    Stretch at;
    Tensor values;  // flat
  };

  void place_tensors(const checkpoint::CheckpointPlan& plan);
  void place_parts(std::span<const WeightPart> parts);
  std::vector<Stretch> held() const;
  void check_all_given() const;
  Tensor own(const Stretch& stretch) const;
  checkpoint::PieceBytes receive(const Stretch& wanted,
                                 std::span<const Given> givers);

  comm::Communicator& comm_;
  Arena& arena_;
  std::map<std::string_view, Stretch> tensors_;
  std::int64_t elements_ = 0;
  std::vector<Placed> parts_;  // by their first element
  std::vector<Given> plan_;
};

// Collective: rank 0 writes the checkpoint, the others send what they alone
// have. An Error of rank 0 ends the others too, when they communicate next.
void save_parts(const Path& folder,
                const checkpoint::CheckpointPlan& plan,
                std::span<const WeightPart> parts,
                comm::Communicator& comm,
                Arena& arena);

}  // namespace dure::train
