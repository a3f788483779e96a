// Tensors in one safetensors file, or in several behind an index.
//
// The index is Hugging Face's `model.safetensors.index.json`: an object with
// "weight_map", name -> file. The files are beside it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/files.h"
#include "dure/checkpoint/safetensors.h"

namespace dure::checkpoint {

// Threads: any number may read.
class TensorFiles {
 public:
  // `path` is a .safetensors file, an index, or a folder with model.safetensors
  // or model.safetensors.index.json. Throws Error if a file of the index is
  // missing or lacks a tensor that the index places there.
  explicit TensorFiles(const Path& path);

  const TensorEntry* find(std::string_view name) const;  // nullptr: none
  const TensorEntry& at(std::string_view name) const;    // Error: none
  std::vector<std::string> names() const;                // sorted
  const Path& path() const { return path_; }

 private:
  void open_index(const Path& index);
  void add_all(const SafetensorsFile& file);

  Path path_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, const TensorEntry*, std::less<>> by_name_;
};

}  // namespace dure::checkpoint
