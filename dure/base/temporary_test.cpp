#include "dure/base/temporary.h"

#include <fstream>
#include <set>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/process.h"

namespace dure {
namespace {

// A number beyond those of Linux's processes.
constexpr const char* kGone = "4194999";

struct Temporaries : testing::Test {
  Path directory = std::filesystem::temp_directory_path() /
                   ("dure_temporaries_" + std::to_string(::getpid()));

  void SetUp() override { std::filesystem::create_directories(directory); }
  void TearDown() override { std::filesystem::remove_all(directory); }

  void put(const std::string& name) const {
    std::ofstream(directory / name) << "half";
  }
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      all.insert(entry.path().filename().string());
    }
    return all;
  }
};

TEST_F(Temporaries, RemoveWhatStandsThereAtTheirEnd) {
  {
    const Temporary file(directory / "a");
    const Temporary folder(directory / "a");
    EXPECT_NE(file.path(), folder.path());
    std::ofstream(file.path()) << "half";
    std::filesystem::create_directories(folder.path() / "inner");
    EXPECT_EQ(names().size(), 2U);
  }
  EXPECT_EQ(names(), std::set<std::string>());
}

TEST_F(Temporaries, HaveNamesThatAFileSystemTakes) {
  const Temporary longest(directory / std::string(255, 'x'));
  std::ofstream file(longest.path());
  EXPECT_TRUE(file.good());
}

TEST_F(Temporaries, OfTheSameNameClearAwayWhatAKilledProcessLeft) {
  const std::string mine = ".a.tmp." + host_name() + "." + kGone;
  for (const std::string& name :
       {mine + ".3", mine, std::string("a.tmp.") + kGone + ".0"}) {
    put(name);
  }
  const Temporary temporary(directory / "a");
  EXPECT_EQ(names(), std::set<std::string>());
}

TEST_F(Temporaries, OfLivingProcessesAndOtherHostsStay) {
  const std::set<std::string> stay = {
      ".a.tmp." + host_name() + ".1.0",       // lives, as process 1 always does
      ".a.tmp.elsewhere.7.0",                 // may live
      "a.tmp.1.0",                            // may live as well
      ".b.tmp." + host_name() + "." + kGone,  // another name's
  };
  for (const std::string& name : stay) {
    put(name);
  }
  remove_leftovers(directory, "a");
  EXPECT_EQ(names(), stay);
}

TEST_F(Temporaries, OfOtherHostsGoAfterAWeek) {
  put(".a.tmp.elsewhere.7.0");
  std::filesystem::last_write_time(
      directory / ".a.tmp.elsewhere.7.0",
      std::filesystem::file_time_type::clock::now() -
          std::chrono::hours(24 * 8));
  remove_leftovers(directory);
  EXPECT_EQ(names(), std::set<std::string>());
}

TEST_F(Temporaries, AreNoFilesOfOthers) {
  const std::set<std::string> stay = {"a",
                                      "a.tmp",
                                      "a.tmp.7",
                                      "a.tmp.x.7",
                                      ".a.tmp.",
                                      ".tmp.h.7.0",
                                      "a.tmp.7.0",
                                      ".a.tmp.7.x"};
  for (const std::string& name : stay) {
    put(name);
  }
  remove_leftovers(directory);
  EXPECT_EQ(names(), stay);
}

}  // namespace
}  // namespace dure
