#include "dure/kernels/scale_loss.h"

#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

TEST(ScaleLoss, IsTheWeightTimesTheScale) {
  Values d_loss(1);
  const Values scale = {65536};
  launch_here(ScaleLoss{.d_loss = tensor(d_loss, {1}),
                        .loss_scale = tensor(scale, {1}),
                        .weight = 0x1p-10F});
  EXPECT_EQ(d_loss[0], 64);
}

TEST(ScaleLoss, RefusesWhatIsNotOneNumber) {
  Values d_loss(2);
  const Values scale = {65536};
  EXPECT_THROW(check(ScaleLoss{.d_loss = tensor(d_loss, {2}),
                               .loss_scale = tensor(scale, {1})}),
               Error);
}

}  // namespace
}  // namespace dure::kernels
