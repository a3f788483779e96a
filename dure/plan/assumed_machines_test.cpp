#include "dure/plan/assumed_machines.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::plan {
namespace {

TEST(AssumedMachines, OfNoDeviceAreTheDefaults) {
  const AssumedMachines assumed = assume_machines({});
  const Machines defaults;
  const Machines machines = assumed.machines();
  EXPECT_EQ(machines.rates.flops_per_second, defaults.rates.flops_per_second);
  EXPECT_EQ(machines.rates.bytes_per_second, defaults.rates.bytes_per_second);
  EXPECT_EQ(machines.network.ranks_per_node, defaults.network.ranks_per_node);
  EXPECT_EQ(machines.network.inside.bytes_per_second,
            defaults.network.inside.bytes_per_second);
  EXPECT_EQ(machines.network.between.bytes_per_second,
            defaults.network.between.bytes_per_second);
  EXPECT_NE(assumed.flops.source.find("default"), std::string::npos);
}

TEST(AssumedMachines, OfADeviceAreTheShareOfItsPeaks) {
  const AssumedMachines assumed =
      assume_machines({.device = "a100-80g-sxm", .reach = 0.5});
  EXPECT_DOUBLE_EQ(assumed.flops.value, 0.5 * 19.5e12);
  EXPECT_DOUBLE_EQ(assumed.memory.value, 0.5 * 2039e9);
  EXPECT_DOUBLE_EQ(assumed.node_link.value, 0.5 * 300e9);
  EXPECT_EQ(assumed.node_ranks, 8);
  EXPECT_EQ(assumed.flops.source, "0.5 of a100-80g-sxm's 19.5 TFLOP/s in fp32");
}

TEST(AssumedMachines, TakeTheProductsThatAreWanted) {
  EXPECT_DOUBLE_EQ(
      assume_machines(
          {.device = "h100-sxm", .products = Products::kBf16, .reach = 1})
          .flops.value,
      989.5e12);
}

TEST(AssumedMachines, HaveTheProductsOfTheTensorsUnlessOthersAreWanted) {
  MachinesWanted wanted = {.device = "h100-sxm", .reach = 1};
  const AssumedMachines bf16 = assume_machines(wanted, DType::kBf16);
  EXPECT_DOUBLE_EQ(bf16.flops.value, 989.5e12);
  EXPECT_EQ(bf16.flops.source, "1 of h100-sxm's 990 TFLOP/s in bf16");
  EXPECT_DOUBLE_EQ(assume_machines(wanted, DType::kF16).flops.value, 989.5e12);
  EXPECT_DOUBLE_EQ(assume_machines(wanted, DType::kF32).flops.value, 67e12);
  wanted.products = Products::kFp32;
  EXPECT_EQ(assume_machines(wanted, DType::kBf16).flops.source,
            "1 of h100-sxm's 67 TFLOP/s in fp32, tensors are bf16");
  wanted.device = "v100-sxm2-32g";
  wanted.products = {};
  EXPECT_DOUBLE_EQ(assume_machines(wanted, DType::kF16).flops.value, 125e12);
  EXPECT_THROW(assume_machines(wanted, DType::kBf16), UsageError);
}

TEST(AssumedMachines, TakeWhatIsGivenAsItIs) {
  const AssumedMachines assumed =
      assume_machines({.device = "h100-sxm",
                       .flops_per_second = 4e14,
                       .link_bytes_per_second = 5e10,
                       .node_ranks = 4});
  EXPECT_EQ(assumed.flops.value, 4e14);
  EXPECT_EQ(assumed.flops.source, "given");
  EXPECT_EQ(assumed.link.value, 5e10);
  EXPECT_EQ(assumed.node_ranks, 4);
  EXPECT_DOUBLE_EQ(assumed.memory.value, 0.75 * 3350e9);
}

TEST(AssumedMachines, OfAnOldDeviceHaveNoBf16) {
  MachinesWanted wanted = {.device = "v100-sxm2-32g",
                           .products = Products::kBf16};
  EXPECT_THROW(assume_machines(wanted), UsageError);
  wanted.flops_per_second = 1e14;
  EXPECT_EQ(assume_machines(wanted).flops.value, 1e14);
}

}  // namespace
}  // namespace dure::plan
