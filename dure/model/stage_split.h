// How a model is cut into the stages of a pipeline: a pure plan.
//
// What is cut are layers: units that stay together (UnitSpec::layer). Those of
// a decoder are the embedding, each of L blocks, and the head with the final
// norm in front of it, L + 2 in all. GPT-2 small, of 12 blocks, in 4 stages:
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
  enum class Way : std::uint8_t {
    kEven,        // as many blocks each, or one more
    kCounts,      // so many layers each
    kParameters,  // the largest stage is as small as can be
    kTypes,       // the same of layers whose type's name `pattern` matches
    kProfile,     // the same of measured times, those between stages included
  };

  Way way = Way::kEven;
  std::vector<std::int64_t> counts = {};  // of kCounts
  std::string pattern = {};               // of kTypes
  Profile profile = {};                   // of kProfile

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

// The place of the one that a unit is of.
std::size_t layer_of(const std::vector<Layer>& layers, int unit);

// The layers [first, last) that these units are.
struct LayerRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const LayerRange&) const = default;
};
LayerRange layers_of_units(const ModelConfig& config, UnitRange units);

// The units of each of so many stages (pipeline ranks x chunks of each), in the
// order in which a micro-batch goes through them. Each has a layer or more.
//
// kEven: the first stage has what comes before the blocks and the last what
// comes after them. Of L = q x stages + r blocks each stage has q; the r that
// are left go to one stage each, from the second on to the last but one, then
// to the first: the last stage, whose head costs more than a block, never gets
// one.
//
// kParameters counts what a stage holds: a tied head's rows once more.
//
// kTypes is DeepSpeed's partition_method "type:PATTERN" [1]: PATTERN is a
// regular expression (PCRE2) that is searched for, whatever the case.
//
// kProfile and the two before it are balance.h's, of a layer's forward and
// backward seconds, and between stages of its output's way forward and of its
// gradient's way back.
//
// Throws UsageError where the stages cannot be filled so, saying what would do.
//
// [1] deepspeed.ai, "Pipeline Parallelism", load balancing.
std::vector<UnitRange> split_units(const ModelConfig& config,
                                   const StageSplit& split,
                                   int stages);

}  // namespace dure::model
