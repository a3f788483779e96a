// RoPE in a config.json, which has had three spellings: rope_theta and
// rope_scaling on their own (Transformers 4), both within rope_parameters (5),
// and files with some of each.
#pragma once

#include "dure/base/json.h"

namespace dure::model {

// The base of the frequencies. Throws Error if any place says that positions
// are scaled or that only part of a head is rotated, and if two places
// disagree.
double rope_theta_of(const JsonFields& fields);

}  // namespace dure::model
