#include <cstdio>
#include <map>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/checkpoint/atomic_folder.h"
#include "dure/checkpoint/conversion.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/huggingface_config.h"
#include "dure/checkpoint/safetensors_writer.h"

namespace dure::checkpoint {
namespace {

// A file, and the tensors that go into it.
struct Shard {
  std::string file;
  std::vector<TensorHeader> tensors;
  std::uint64_t bytes = 0;
};

FileDtype dtype_for(const WeightSource& source,
                    const ForeignWeight& weight,
                    const ExportOptions& options) {
  return options.dtype.value_or(source.dtype(weight.name));
}

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) {
    return "model.safetensors";
  }
  char name[64];
  std::snprintf(
      name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

// Tensors go in the order of the forward pass; a file is closed before it would
// grow beyond the limit.
std::vector<Shard> plan_shards(const WeightSource& source,
                               const std::vector<ForeignWeight>& weights,
                               const ExportOptions& options) {
  std::vector<Shard> shards(1);
  for (const ForeignWeight& weight : weights) {
    const FileDtype dtype = dtype_for(source, weight, options);
    for (const ForeignSlice& part : weight.parts) {
      TensorHeader header{part.name, dtype, part.shape};
      const std::uint64_t bytes = bytes_of(header);
      const bool full = shards.back().bytes + bytes > options.shard_bytes;
      if (full && !shards.back().tensors.empty()) {
        shards.emplace_back();
      }
      shards.back().tensors.push_back(std::move(header));
      shards.back().bytes += bytes;
    }
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file = shard_name(i, shards.size());
  }
  return shards;
}

std::string index_of(const std::vector<Shard>& shards) {
  nlohmann::json map = nlohmann::json::object();
  std::uint64_t total = 0;
  for (const Shard& shard : shards) {
    total += shard.bytes;
    for (const TensorHeader& tensor : shard.tensors) {
      map[tensor.name] = shard.file;
    }
  }
  const nlohmann::json index = {{"metadata", {{"total_size", total}}},
                                {"weight_map", map}};
  return index.dump(2) + "\n";
}

// A writer for each shard. A fused weight is read once, even if its parts go to
// different files.
class Shards {
 public:
  Shards(const std::vector<Shard>& shards, const Path& folder) {
    writers_.reserve(shards.size());
    for (const Shard& shard : shards) {
      writers_.emplace_back(
          folder / shard.file, shard.tensors, Metadata{{"format", "pt"}});
      for (const TensorHeader& tensor : shard.tensors) {
        writer_of_[tensor.name] = writers_.size() - 1;
      }
    }
  }

  void write(const std::string& name, std::span<const std::byte> bytes) {
    writers_[writer_of_.at(name)].write(name, bytes);
  }

  void commit() {
    for (SafetensorsWriter& writer : writers_) {
      writer.commit();
    }
  }

 private:
  std::vector<SafetensorsWriter> writers_;
  std::map<std::string, std::size_t> writer_of_;
};

void write_part(const ForeignSlice& part,
                std::span<const std::byte> rows,
                FileDtype dtype,
                Shards& shards) {
  if (part.layout == Layout::kSame) {
    return shards.write(part.name, rows);
  }
  std::vector<std::byte> turned(rows.size());
  transpose(rows, part.shape[1], part.shape[0], size_of(dtype), turned);
  shards.write(part.name, turned);
}

void write_weight(Conversion& conversion,
                  const ForeignWeight& weight,
                  FileDtype dtype,
                  Shards& shards) {
  const std::size_t size = size_of(dtype);
  std::vector<std::byte> ours(
      static_cast<std::size_t>(elements_of(weight.shape)) * size);
  conversion.read(weight.name, dtype, ours);
  const std::size_t row_bytes =
      ours.size() / static_cast<std::size_t>(weight.shape.front());
  for (const ForeignSlice& part : weight.parts) {
    write_part(part,
               std::span(ours).subspan(
                   static_cast<std::size_t>(part.first_row) * row_bytes,
                   static_cast<std::size_t>(part.rows) * row_bytes),
               dtype,
               shards);
  }
}

}  // namespace

std::vector<std::string> write_huggingface(const WeightSource& source,
                                           const Path& folder,
                                           const ExportOptions& options) {
  Conversion conversion(source);
  const std::vector<ForeignWeight> weights = foreign_weights(source.config());
  const std::string config =
      config_to_huggingface(source.config(),
                            dtype_for(source, weights.front(), options),
                            options.ids);
  const std::vector<Shard> plan = plan_shards(source, weights, options);
  AtomicFolder target(folder, AtomicFolder::Existing::kRefuse);
  Shards shards(plan, target.path());
  for (const ForeignWeight& weight : weights) {
    write_weight(
        conversion, weight, dtype_for(source, weight, options), shards);
  }
  shards.commit();
  if (plan.size() > 1) {
    write_file_atomically(target.path() / "model.safetensors.index.json",
                          index_of(plan));
  }
  for (const auto& [name, text] : options.documents) {
    write_file_atomically(target.path() / name, text);
  }
  write_file_atomically(target.path() / "config.json", config);
  target.commit();
  std::vector<std::string> notes = huggingface_leaves_out(source.config());
  for (std::string& note : conversion.notes()) {
    notes.push_back(std::move(note));
  }
  return notes;
}

}  // namespace dure::checkpoint
