// For this folder's tests: a temporary directory, and small data sets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <stdlib.h>  // mkdtemp
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/data/indexed_writer.h"

namespace dure::data {

class TestDirectory {
 public:
  TestDirectory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "dure_data_XXXXXX").string();
    DURE_CHECK(::mkdtemp(name.data()) != nullptr, "no directory {}", name);
    path_ = name;
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  ~TestDirectory() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }

  const Path& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }
  // The names in it, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  Path path_;
};

// The text of the Error that `call` throws; "" if it throws none.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

using TestDocuments = std::vector<std::vector<std::int32_t>>;

inline void write_dataset(const std::string& prefix,
                          const TestDocuments& documents,
                          TokenType type = TokenType::kU16) {
  IndexedDatasetWriter writer(prefix, type);
  for (const auto& document : documents) {
    writer.add_sequence(document);
    writer.end_document();
  }
  writer.commit();
}

}  // namespace dure::data
