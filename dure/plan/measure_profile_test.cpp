#include "dure/plan/measure_profile.h"

#include <gtest/gtest.h>

#include "dure/model/count.h"
#include "dure/model/stage_split.h"

namespace dure::plan {
namespace {

train::Config small(Device device) {
  train::Config config;
  config.model = {.layers = 3,
                  .hidden = 32,
                  .heads = 4,
                  .vocabulary = 128,
                  .max_sequence = 64};
  config.train.micro_batch = 2;
  config.train.device = device;
  return train::resolve(config);
}

TEST(MeasureProfile, TakesTimeForEveryLayer) {
  const train::Config config = small(Device::kCpu);
  const train::ProfileFile file =
      measure_profile(config, {.rounds = 2, .link_bytes_per_second = 1e9});
  EXPECT_EQ(file.model, config.model);
  EXPECT_EQ(file.micro_batch, 2);
  EXPECT_EQ(file.sequence, 64);
  ASSERT_EQ(file.profile.layers.size(), 5U);
  for (const model::LayerProfile& layer : file.profile.layers) {
    EXPECT_GT(layer.forward_seconds, 0);
    EXPECT_GT(layer.backward_seconds, 0);
  }
  EXPECT_EQ(file.profile.layers[1], file.profile.layers[3]);
  EXPECT_EQ(train::profile_from_json(to_json(file), "p.json"), file);
}

// The head is untied and there is no padding, so each layer's bytes are its
// parameters'.
TEST(MeasureProfile, CountsBytes) {
  const train::Config config = small(Device::kSim);
  const auto layers =
      measure_profile(config, {.rounds = 1, .link_bytes_per_second = 1e9})
          .profile.layers;
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto n = static_cast<std::size_t>(i);
    const std::vector<model::UnitRange> alone{
        model::split_layers(config.model)[n].units};
    EXPECT_EQ(layers[n].weight_bytes,
              4.0 * static_cast<double>(
                        model::count(config.model, alone)[0].published));
    EXPECT_EQ(layers[n].output_bytes, i < 4 ? 4.0 * 2 * 64 * 32 : 0);
  }
}

// On a device that is bound by arithmetic a block's backward takes twice its
// forward: it has a product for the input and one for the weight.
TEST(MeasureProfile, OfASimulatedDeviceIsItsRoofline) {
  const DeviceRates rates = {.flops_per_second = 1e9, .bytes_per_second = 1e18};
  const auto layers =
      measure_profile(
          small(Device::kSim),
          {.rounds = 1, .link_bytes_per_second = 1e9, .rates = rates})
          .profile.layers;
  EXPECT_GT(layers[1].backward_seconds, 1.5 * layers[1].forward_seconds);
  EXPECT_LT(layers[1].backward_seconds, 3 * layers[1].forward_seconds);
}

TEST(MeasureLink, IsAbove0) {
  EXPECT_GT(measure_link(1 << 16), 0);
}

}  // namespace
}  // namespace dure::plan
