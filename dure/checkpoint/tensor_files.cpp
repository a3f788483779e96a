#include "dure/checkpoint/tensor_files.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/base/quote.h"

namespace dure::checkpoint {
namespace {

constexpr const char* kModel = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// The file by which a folder is read.
Path file_of(const Path& path) {
  if (!std::filesystem::is_directory(path)) {
    return path;
  }
  for (const char* name : {kModel, kIndex}) {
    if (std::filesystem::exists(path / name)) {
      return path / name;
    }
  }
  const bool pickled =
      std::filesystem::exists(path / "pytorch_model.bin") ||
      std::filesystem::exists(path / "pytorch_model.bin.index.json");
  DURE_CHECK(!pickled,
             "{} holds pytorch_model.bin, which only Python can read; save the "
             "model again with save_pretrained(..., safe_serialization=True)",
             path.string());
  DURE_CHECK(
      false, "{} holds neither {} nor {}", path.string(), kModel, kIndex);
  return path;
}

// Maps tensors to file names, checked to name files beside the index.
std::map<std::string, std::string> weight_map_of(const Path& index) {
  const nlohmann::json object =
      parse_object(read_regular_file(index), index.string());
  std::map<std::string, std::string> map;
  const JsonFields fields(object, index.string());
  for (const auto& [tensor, file] : fields.object("weight_map").items()) {
    DURE_CHECK(file.is_string(),
               "{}: weight_map: {}: wanted the name of a file",
               index.string(),
               quoted(tensor));
    const auto name = file.get<std::string>();
    DURE_CHECK(!name.empty() && Path(name).filename() == name && name != "..",
               "{}: weight_map: {}: wanted a file beside the index, found {}",
               index.string(),
               quoted(tensor),
               quoted(name));
    map.emplace(tensor, name);
  }
  return map;
}

}  // namespace

TensorFiles::TensorFiles(const Path& path) : path_(path) {
  const Path file = file_of(path);
  if (file.extension() == ".json") {
    open_index(file);
  } else {
    files_.emplace_back(file);
    add_all(files_.back());
  }
}

void TensorFiles::open_index(const Path& index) {
  const auto map = weight_map_of(index);
  std::map<std::string, std::size_t> opened;
  for (const auto& [tensor, name] : map) {
    if (opened.count(name) == 0) {
      const Path shard = index.parent_path() / name;
      DURE_CHECK(std::filesystem::exists(shard),
                 "{} places {} in {}, which is missing",
                 index.string(),
                 quoted(tensor),
                 quoted(name));
      opened.emplace(name, files_.size());
      files_.emplace_back(shard);
    }
  }
  // This comes after the loop, because files_ moved its elements while it grew.
  for (const auto& [tensor, name] : map) {
    by_name_.emplace(tensor, &files_[opened.at(name)].at(tensor));
  }
}

void TensorFiles::add_all(const SafetensorsFile& file) {
  for (const TensorEntry& entry : file.tensors()) {
    by_name_.emplace(entry.name, &entry);
  }
}

const TensorEntry* TensorFiles::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const TensorEntry& TensorFiles::at(std::string_view name) const {
  const TensorEntry* entry = find(name);
  DURE_CHECK(
      entry != nullptr, "{}: has no tensor {}", path_.string(), quoted(name));
  return *entry;
}

std::vector<std::string> TensorFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : by_name_) {
    names.push_back(name);
  }
  return names;
}

}  // namespace dure::checkpoint
