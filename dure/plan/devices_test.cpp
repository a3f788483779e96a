#include "dure/plan/devices.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::plan {
namespace {

TEST(KnownDevices, AreFoundByTheirNames) {
  std::set<std::string> names;
  for (const KnownDevice& device : known_devices()) {
    EXPECT_EQ(&device_named(device.name), &device);
    EXPECT_TRUE(names.insert(device.name).second) << device.name;
  }
}

// A wrong unit (GB for TB, both ways of a link for one, sparse for dense) would
// break one of these checks.
TEST(KnownDevices, HaveFiguresThatGoTogether) {
  for (const KnownDevice& device : known_devices()) {
    SCOPED_TRACE(device.name);
    const PeakFlops& flops = device.flops;
    EXPECT_GT(flops.fp32, 1e13);
    EXPECT_LT(flops.fp32, 2e14);
    EXPECT_GE(flops.fp16, 1.9 * flops.fp32);
    if (flops.bf16 > 0) {
      EXPECT_EQ(flops.bf16, flops.fp16);
      EXPECT_NEAR(flops.fp16, 2 * flops.tf32, 0.02 * flops.fp16);
    }
    // It takes 10 to 60 ms to read all of the memory, and 2 to 100 times as
    // long to send it to a neighbour.
    const double read = device.memory_bytes / device.memory_bytes_per_second;
    EXPECT_GT(read, 0.01);
    EXPECT_LT(read, 0.06);
    const double sent = device.memory_bytes / device.link_bytes_per_second;
    EXPECT_GT(sent, 2 * read);
    EXPECT_LT(sent, 100 * read);
    EXPECT_GT(device.node_devices, 0);
    EXPECT_GT(std::string(device.link).size(), 0U);
    EXPECT_NE(std::string(device.source).find("20"), std::string::npos);
  }
}

std::string refusal_of(const std::string& name) {
  try {
    device_named(name);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(KnownDevices, NameTheNearestOfAnUnknownOne) {
  const std::string text = refusal_of("h100sxm");
  EXPECT_NE(text.find("did you mean h100-sxm?"), std::string::npos) << text;
}

TEST(KnownDevices, NameAllWhereNoneIsNear) {
  const std::string text = refusal_of("abacus");
  for (const KnownDevice& device : known_devices()) {
    EXPECT_NE(text.find(device.name), std::string::npos) << text;
  }
}

TEST(KnownDevices, NameAllThatBeginAlike) {
  const std::string text = refusal_of("h100");
  EXPECT_NE(text.find("did you mean h100-sxm or h100-pcie?"), std::string::npos)
      << text;
}

TEST(KnownDevices, HaveProductsByName) {
  for (int p = 0; p < kProducts; ++p) {
    const auto products = static_cast<Products>(p);
    EXPECT_EQ(products_named(name_of(products)), products);
  }
  EXPECT_THROW(products_named("fp8"), UsageError);
}

}  // namespace
}  // namespace dure::plan
