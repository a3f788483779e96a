// For tests: a folder of its own for each test, gone afterwards.
#pragma once

#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"

namespace dure::checkpoint {

class ScratchFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("dure_" + std::to_string(::getpid()) + "_" +
               test->test_suite_name() + "_" + test->name());
    make_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const Path& folder() const { return folder_; }

 private:
  Path folder_;
};

// The message of the Error that `run` throws; fails the test if it throws none.
template <typename Run>
std::string error_of(const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "threw no Error";
  return "";
}

}  // namespace dure::checkpoint
