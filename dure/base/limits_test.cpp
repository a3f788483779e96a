#include "dure/base/limits.h"

#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

namespace dure {
namespace {

// A temporary root with /proc and /sys.
class Limits : public testing::Test {
 protected:
  Limits() { write("proc/self/cgroup", "0::/\n"); }
  ~Limits() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    make_directories((root_ / name).parent_path());
    write_file_atomically(root_ / name, text);
  }

  std::size_t bytes() const { return memory_limit(root_).bytes; }

  const Path root_ = std::filesystem::temp_directory_path() /
                     ("dure_limits_" + std::to_string(::getpid()));
};

TEST_F(Limits, AreTheMachinesWhereThereAreNoOthers) {
  const MemoryLimit limit = memory_limit(root_);
  EXPECT_GT(limit.bytes, std::size_t{1} << 20);
  EXPECT_EQ(limit.name, "this machine's memory");
  write("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(bytes(), limit.bytes);
}

TEST_F(Limits, AreTheLeastOfAllGroupsAround) {
  write("proc/self/cgroup", "0::/slice/job/step\n");
  write("sys/fs/cgroup/slice/job/step/memory.max", "max\n");
  write("sys/fs/cgroup/slice/job/memory.max", "3000\n");
  write("sys/fs/cgroup/slice/memory.max", "5000\n");
  EXPECT_EQ(bytes(), 3000U);
  EXPECT_NE(memory_limit(root_).name.find("memory.max"), std::string::npos);
}

TEST_F(Limits, AreFoundInsideAContainerThatHidesItsGroup) {
  write("proc/self/cgroup", "0::/docker/0123456789\n");
  write("sys/fs/cgroup/memory.max", "4000\n");
  EXPECT_EQ(bytes(), 4000U);
}

TEST_F(Limits, AreThoseOfVersion1) {
  write("proc/self/cgroup",
        "9:name=systemd:/\n4:pids:/job\n3:cpu,memory:/job\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000\n");
  write("sys/fs/cgroup/pids/job/pids.max", "77\n");
  EXPECT_EQ(bytes(), 2000U);
  EXPECT_NE(thread_limits(root_).find("pids.max of this container is 77"),
            std::string::npos);
}

TEST_F(Limits, AreOfNoUseWhereTheyAreNoNumbers) {
  const std::size_t machine = memory_limit("/nowhere").bytes;
  write("sys/fs/cgroup/memory.max", "12 apples");
  EXPECT_EQ(bytes(), 12U);
  write("sys/fs/cgroup/memory.max", "apples");
  EXPECT_EQ(bytes(), machine);
  write("proc/self/cgroup", "what is this\n:\n");
  EXPECT_EQ(bytes(), machine);
}

TEST_F(Limits, OfProcessorsAreCoresOrWhatIsGrantedOfThem) {
  const int cores = usable_processors(root_);
  EXPECT_EQ(cores, usable_processors("/nowhere"));
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(usable_processors(root_), cores);
  write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(usable_processors(root_), 1);
  write("sys/fs/cgroup/cpu.max", "100000000 100000\n");
  EXPECT_EQ(usable_processors(root_), cores);
  write("proc/self/cgroup", "3:cpu,cpuacct:/job\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(usable_processors(root_), cores);
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "100000\n");
  EXPECT_EQ(usable_processors(root_), 1);
}

TEST_F(Limits, OfThreadsAreTried) {
  EXPECT_TRUE(can_start_threads(0));
  EXPECT_TRUE(can_start_threads(8));
}

}  // namespace
}  // namespace dure
