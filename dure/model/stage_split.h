// How a model is cut into the stages of a pipeline: a pure plan.
//
// Layers are cut: units that stay together (UnitSpec::layer). A decoder has L +
// 2 of them: the embedding, each of L blocks, and the head with the final norm
// in front of it. GPT-2 small, of 12 blocks, in 4 stages:
//
//   layers   0          1 ... 12   13             units
//            embedding  blocks     norm and head
//   even     [0, 4)  [4, 7)  [7, 10)  [10, 14)    0-3  4-6  7-9  10-14
//   counts   [3, 5, 5, 1]                         0-2  3-7  8-12  13-14
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/model/config.h"
#include "dure/model/profile.h"
#include "dure/model/weights.h"

namespace dure::model {

struct StageSplit {
  enum class Method : std::uint8_t {
    kEven,        // as many blocks each, or one more
    kCounts,      // so many layers each
    kParameters,  // the largest stage is as small as can be
    kTypes,       // the largest count of matching layers (`pattern`)
    kProfile,     // the longest measured time, with messages
  };

  Method method = Method::kEven;
  std::vector<std::int64_t> counts = {};  // for kCounts
  std::string pattern = {};               // for kTypes
  Profile profile = {};                   // for kProfile

  bool operator==(const StageSplit&) const = default;
};

// "even", "parameters", "profile" (whose profile the caller fills in),
// "type:PATTERN", or counts as "4,3,3,4". Throws UsageError for anything else.
StageSplit parse_split(const std::string& text);

// A model's layers, in the order of the forward pass.
struct Layer {
  std::string type;  // "embedding", "block", "head": what patterns match
  UnitRange units;
};
std::vector<Layer> split_layers(const ModelConfig& config);

// The index of the layer that has this unit.
std::size_t layer_of(const std::vector<Layer>& layers, int unit);

// The layers [first, last) that consist of these units.
struct LayerRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const LayerRange&) const = default;
};
LayerRange layers_of_units(const ModelConfig& config, UnitRange units);

// The units of each of so many stages (pipeline ranks x chunks of each), in the
// order in which a micro-batch goes through them. Each stage has at least a
// layer.
//
// kEven: the first stage has the layers before the blocks, and the last those
// after them. Each stage has q of the L = q x stages + r blocks. The other r go
// to one stage each: from the second to the last but one, then to the first.
// The last stage, whose head costs more than a block, never gets one.
//
// kParameters counts all that a stage holds, so a tied head's rows count again.
//
// kTypes is DeepSpeed's partition_method "type:PATTERN" [1]: it searches for
// the regular expression PATTERN (PCRE2) and ignores case.
//
// kParameters, kTypes and kProfile use balance.h. The load of kProfile is the
// forward and backward seconds of a layer; between stages it is the time of the
// output's message forward and of its gradient's back.
//
// Throws UsageError if the stages can't be filled so, and names what can be
// done.
//
// [1] deepspeed.ai, "Pipeline Parallelism", load balancing.
std::vector<UnitRange> split_units(const ModelConfig& config,
                                   const StageSplit& split,
                                   int stages);

}  // namespace dure::model
