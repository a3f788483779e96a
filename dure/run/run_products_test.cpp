#include "dure/run/run_products.h"

#include <string>
#include <string_view>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/checkpoint/checkpoint.h"
#include "dure/kernels/cuda_testing.h"

namespace dure::train {
namespace {

// A folder with a cache and a checkpoint, removed with the test.
class RunProductsOnAGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::tests_cuda()) {
      GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
    }
    folder_ = std::filesystem::temp_directory_path() /
              ("run_products_" + std::to_string(getpid()));
    std::filesystem::create_directories(checkpoint());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Path cache() const { return folder_ / "cache" / "dure"; }
  Path checkpoint() const { return folder_ / "step_00000001"; }
  RunProducts::Options both() const {
    return {.checkpoint = checkpoint(), .cache = cache()};
  }

  // The one file of the cache.
  Path cache_file() const {
    return std::filesystem::directory_iterator(cache())->path();
  }
  void write_checkpoint(const std::string& text) const {
    write_file_atomically(checkpoint() / checkpoint::kProductsFile, text);
  }

  static kernels::ProductKey key(std::int64_t M) {
    kernels::ProductKey of;
    of.sizes = {M, 2, 3};
    return of;
  }
  static kernels::ProductChoice choice(std::uint64_t number) {
    return {.algorithm = {number}, .workspace_bytes = 0};
  }
  kernels::ProductTable& table() { return *kernels::product_table(stream_); }

  Stream stream_{kernels::tests_cuda() ? Device::kCuda : Device::kCpu};

 private:
  Path folder_;
};

TEST_F(RunProductsOnAGpu, AreThoseOfTheCheckpointAndThenOfTheCache) {
  {
    RunProducts first(stream_, {.cache = cache()});
    table().enter(key(1), choice(1));
    table().enter(key(2), choice(2));
    first.save_cache();
    kernels::ProductTable other(table().device());
    other.enter(key(1), choice(9));
    write_checkpoint(other.to_json());
  }
  const RunProducts second(stream_, both());
  EXPECT_EQ(table().find(key(1)), choice(9));
  EXPECT_EQ(table().find(key(2)), choice(2));
  kernels::ProductTable kept(table().device());
  ASSERT_TRUE(kept.take(second.document(), "a document"));
  EXPECT_EQ(kept.choices(), table().choices());
}

TEST_F(RunProductsOnAGpu, AreMeasuredWhereAFileIsDamaged) {
  {
    RunProducts run(stream_, both());
    table().enter(key(1), choice(1));
    run.save_cache();
  }
  const std::string whole = read_regular_file(cache_file());
  write_file_atomically(cache_file(),
                        std::string_view(whole).substr(0, whole.size() / 2));
  write_checkpoint("{}");
  RunProducts run(stream_, both());
  EXPECT_TRUE(table().choices().empty());
  table().enter(key(1), choice(3));
  run.save_cache();
  EXPECT_EQ(read_regular_file(cache_file()), table().to_json());
}

TEST_F(RunProductsOnAGpu, KeepWhatAnotherRunHasCachedMeanwhile) {
  RunProducts one(stream_, {.cache = cache()});
  table().enter(key(1), choice(1));
  Stream other_stream(Device::kCuda);
  RunProducts other(other_stream, {.cache = cache()});
  kernels::product_table(other_stream)->enter(key(2), choice(2));
  other.save_cache();
  one.save_cache();
  const RunProducts next(stream_, {.cache = cache()});
  EXPECT_EQ(table().find(key(1)), choice(1));
  EXPECT_EQ(table().find(key(2)), choice(2));
}

TEST(RunProducts, OfACpuAreNone) {
  Stream stream(Device::kCpu);
  const RunProducts products(stream, {});
  EXPECT_EQ(products.document(), "");
  EXPECT_EQ(kernels::product_table(stream), nullptr);
}

}  // namespace
}  // namespace dure::train
