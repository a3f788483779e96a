// What a rank has of a checkpoint's tensors: ranges of its part of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/mesh/placement.h"
#include "dure/model/weights.h"
#include "dure/optim/optimizer.h"
#include "dure/parallel/zero/parameter_store.h"
#include "dure/tensor/stream.h"
#include "dure/tensor/tensor.h"
#include "dure/train/rank.h"
#include "dure/train/replica.h"

namespace dure::train {

// How ranks cut a model's weights, and the optimizer's states of them alike.
class WeightCuts {
 public:
  // `place` is this rank's.
  WeightCuts(const model::ModelConfig& config, const mesh::Place& place);

  const mesh::Place& place() const { return place_; }

  // Of "WEIGHT", or of a state of it, "WEIGHT.momentum" or "WEIGHT.error.3".
  // Error: of no weight.
  const model::WeightSpec& weight(std::string_view tensor) const;
  mesh::LocalPart local(std::string_view tensor) const;

 private:
  mesh::Place place_;
  std::map<std::string, model::WeightSpec, std::less<>> weights_;
};

// Elements [offset, offset + values.elements()) of the rank's part of a weight
// or of a state of one (mesh::LocalPart). They may go beyond what the
// checkpoint has: into, or lie wholly in, the rows that pad the vocabulary. Of
// one tensor a rank may have any number of ranges, which do not overlap.
struct WeightPart {
  std::string name;  // "WEIGHT", "WEIGHT.momentum"
  std::int64_t offset = 0;
  Tensor values;
};

// The same between two uses, when its values may be anywhere. Masters and
// states are f32 (kernels/update.h).
struct OwnedPart {
  std::string name;
  parallel::Slice slice;
  std::optional<std::size_t> state = std::nullopt;  // none: the weight's master
  DType dtype;
};

// How the name of a state ends in a checkpoint: of one that each rank has for
// itself, with its number among those that the weight is summed over.
std::string end_of(const optim::OptimizerState& state, std::int64_t rank);

// What a rank owns of weights, and of those of all states whose numbers are
// `wanted`: bucket by bucket.
std::vector<OwnedPart> owned_weights(const Replica& replica);
std::vector<OwnedPart> owned_states(
    const Replica& replica,
    std::span<const optim::OptimizerState> states,
    std::span<const std::size_t> wanted);

// The values, flat, and what keeps them where they are until it is let go of.
struct PartInUse {
  Tensor values = {};
  std::shared_ptr<const void> owner = {};
};

// For the host to read. Threads: the owner is let go of on the rank's own.
PartInUse acquire_to_read(Stream& stream,
                          parallel::ParameterStore& store,
                          const OwnedPart& part);

// out[s.local + i] = tensor[s.global + i] for each stretch s, in the logical
// shape: checkpoint::WeightSource::read_stretches() and the like.
using ReadStretches = std::function<void(const std::string& tensor,
                                         std::span<const mesh::Stretch>,
                                         std::span<float> out)>;

// Fills what a rank owns of weights, or of states, one bucket at a time, as the
// next function does.
void read_owned(Rank& rank,
                Replica& replica,
                std::span<const OwnedPart> parts,
                const ReadStretches& read);

// Fills the parts, each in its own type. Asks for the elements of each, and no
// others: once for neighbours of one name. What pads the vocabulary becomes 0.
void read_parts(Stream& stream,
                std::span<const WeightPart> parts,
                const WeightCuts& cuts,
                const ReadStretches& read);

}  // namespace dure::train
