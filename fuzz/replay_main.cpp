// Runs a fuzz target once on each file given, and on each file of each
// directory, to check the seeds without libFuzzer.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace {

using Path = std::filesystem::path;

std::vector<Path> files_of(const Path& path) {
  if (!std::filesystem::is_directory(path)) {
    return {path};
  }
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) {
      files.push_back(entry.path());
    }
  }
  return files;
}

// False, with a message, if the file can't be read or the target throws: a
// target catches what bad input may cause.
bool replay(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << path << ": cannot be read\n";
    return false;
  }
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  try {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                           bytes.size());
  } catch (const std::exception& error) {
    std::cerr << path << ": " << error.what() << '\n';
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int replayed = 0;
  int failed = 0;
  for (int i = 1; i < argc; ++i) {
    for (const Path& path : files_of(argv[i])) {
      ++replayed;
      failed += replay(path) ? 0 : 1;
    }
  }
  std::cout << replayed << " files replayed, " << failed << " failed\n";
  return replayed > 0 && failed == 0 ? 0 : 1;
}
