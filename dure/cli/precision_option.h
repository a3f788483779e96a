// --precision: the type in which a command that trains nothing keeps weights
// and activations.
#pragma once

#include <string>

#include "dure/checkpoint/weight_source.h"
#include "dure/model/unit.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

void add_precision_option(CLI::App& command, std::string& precision);

// The types that the option asks for: with "auto", those of the file's first
// weight. The residual stream has the compute type.
model::Types types_of(const std::string& precision,
                      const checkpoint::WeightSource& source);

}  // namespace dure::cli
