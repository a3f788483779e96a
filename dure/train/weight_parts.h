// A rank's share of a checkpoint's tensors: ranges of its part of them.
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
#include "dure/parallel/data/parameter_store.h"
#include "dure/tensor/stream.h"
#include "dure/tensor/tensor.h"
#include "dure/train/rank.h"
#include "dure/train/rank_model.h"

namespace dure::train {

// How ranks cut a model's weights, and in the same way the optimizer's states.
class WeightCuts {
 public:
  // `place` is this rank's.
  WeightCuts(const model::ModelConfig& config, const mesh::Place& place);

  const mesh::Place& place() const { return place_; }

  // The weight of the tensor "WEIGHT", or of a state of it, "WEIGHT.momentum"
  // or "WEIGHT.error.3". Throws Error if there is none.
  const model::WeightSpec& weight(std::string_view tensor) const;
  mesh::LocalPart local(std::string_view tensor) const;

 private:
  mesh::Place place_;
  std::map<std::string, model::WeightSpec, std::less<>> weights_;
};

// Elements [offset, offset + values.elements()) of the rank's part of a weight
// or of one of its states (mesh::LocalPart). They may reach beyond what the
// checkpoint has, into the rows that pad the vocabulary, or lie wholly there. A
// rank may have any number of ranges of a tensor; they do not overlap.
struct WeightPart {
  std::string name;  // "WEIGHT", "WEIGHT.momentum"
  std::int64_t offset = 0;
  Tensor values;
};

// Such a range between two uses, when its values may be anywhere.
struct OwnedPart {
  enum class Of : std::uint8_t { kWeight, kMaster, kState };

  std::string name;
  parallel::Slice slice;
  Of of = Of::kWeight;
  std::size_t state = 0;  // for kState
  DType dtype;
};

// The end of a master's name in a checkpoint, where the weight is a copy of it.
inline constexpr const char* kMasterEnd = "master";

// The suffix of a state's name in a checkpoint. A state that each rank has for
// itself ends in its number among the ranks that the weight is summed over.
std::string end_of(const optim::OptimizerState& state, std::int64_t rank);

// The parts that a rank owns, bucket by bucket: of weights; of masters, by the
// names of weights, which are to get their first values, or by their own; and
// of all states whose numbers are `wanted`.
std::vector<OwnedPart> owned_weights(const RankModel& rank_model);
std::vector<OwnedPart> first_masters(const RankModel& rank_model);
std::vector<OwnedPart> owned_masters(const RankModel& rank_model);
std::vector<OwnedPart> owned_states(
    const RankModel& rank_model,
    std::span<const optim::OptimizerState> states,
    std::span<const std::size_t> wanted);

// Flat values, and an owner that keeps them in place until it is released.
struct PartInUse {
  ConstTensor values = {};
  std::shared_ptr<const void> owner = {};
};

// Acquires a part for the host to read. Threads: the owner is released on the
// rank's own.
PartInUse acquire_to_read(Stream& stream,
                          parallel::ParameterStore& store,
                          const OwnedPart& part);

// out[s.local + i] = tensor[s.global + i] for each stretch s, in the logical
// shape, as checkpoint::WeightSource::read_stretches() does.
using ReadStretches = std::function<void(const std::string& tensor,
                                         std::span<const mesh::Stretch>,
                                         std::span<float> out)>;

// Fills masters or states that a rank owns, one bucket at a time, as
// read_parts() does.
void read_owned(Rank& rank,
                RankModel& rank_model,
                std::span<const OwnedPart> parts,
                const ReadStretches& read);

// Fills the parts, each in its own type. Asks only for the elements of each,
// and once for neighbours of one name. The padding of the vocabulary becomes 0.
void read_parts(Stream& stream,
                std::span<const WeightPart> parts,
                const WeightCuts& cuts,
                const ReadStretches& read);

}  // namespace dure::train
