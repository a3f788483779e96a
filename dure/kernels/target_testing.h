// Runs a test's body once on each instruction set that this machine has and
// the vector code of cpu/ is compiled for.
#pragma once

#include <cstdint>

#include <gtest/gtest.h>

// Highway's headers depend on a definition in the first of these.
// clang-format off
#include "dure/kernels/cpu/simd_targets.h"
#include <hwy/targets.h>
// clang-format on

namespace dure::kernels {

template <typename Body>
void on_every_instruction_set(const Body& body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace dure::kernels
