#include <algorithm>
#include <set>
#include <string_view>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/huggingface_config.h"
#include "dure/model/family.h"

namespace dure::checkpoint {
namespace {

constexpr const char* kTokenWeight = "embedding.token.weight";

// The name without "transformer." or "model.": a model without its head is
// saved so.
std::string_view without_base(std::string_view name,
                              const model::ModelConfig& config) {
  const std::string_view base = config.family->huggingface->base;
  return name.starts_with(base) ? name.substr(base.size()) : name;
}

// Whether it is something that old files have beside the weights: constants
// that we compute, or the token embedding again, as the head.
bool is_no_weight(std::string_view name, const model::ModelConfig& config) {
  return std::ranges::any_of(
             config.family->huggingface->constants,
             [&](std::string_view end) { return name.ends_with(end); }) ||
         (config.tie_embeddings && name == "lm_head.weight");
}

// The bytes of rows [first, first + rows) of our weight.
std::span<std::byte> rows_in(std::span<std::byte> weight,
                             const ForeignWeight& whole,
                             const ForeignSlice& part) {
  const std::size_t row_bytes =
      weight.size() / static_cast<std::size_t>(whole.shape.front());
  return weight.subspan(static_cast<std::size_t>(part.first_row) * row_bytes,
                        static_cast<std::size_t>(part.rows) * row_bytes);
}

std::int64_t read_part(const TensorEntry& entry,
                       const ForeignSlice& part,
                       FileDtype dtype,
                       std::span<std::byte> out) {
  if (part.layout == Layout::kSame) {
    return convert(entry, dtype, out);
  }
  std::vector<std::byte> turned(entry.bytes.size());
  transpose(entry.bytes,
            entry.shape[0],
            entry.shape[1],
            size_of(entry.dtype),
            turned);
  TensorEntry ours = entry;
  ours.bytes = turned;
  return convert(ours, dtype, out);
}

// The narrowest type that holds all values of both.
FileDtype common_type(FileDtype a, FileDtype b) {
  if (a == b) {
    return a;
  }
  const std::size_t bytes = std::max(size_of(a), size_of(b));
  return bytes == size_of(FileDtype::kF64) ? FileDtype::kF64 : FileDtype::kF32;
}

}  // namespace

model::ModelConfig huggingface_model(const Path& folder) {
  const Path path = folder / "config.json";
  return config_from_huggingface(read_regular_file(path), path.string());
}

HuggingFaceWeights::HuggingFaceWeights(const Path& folder, const Path& tensors)
    : config_(huggingface_model(folder)),
      files_(tensors),
      weights_(foreign_weights(config_)) {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    places_.emplace(weights_[i].name, i);
  }
  check_shapes();
  check_unknown();
}

FileDtype HuggingFaceWeights::dtype(const std::string& name) const {
  const ForeignWeight& whole = weight(name);
  FileDtype dtype = find(whole.parts.front().name)->dtype;
  for (const ForeignSlice& part : whole.parts) {
    dtype = common_type(dtype, find(part.name)->dtype);
  }
  return dtype;
}

std::int64_t HuggingFaceWeights::read(const std::string& name,
                                      FileDtype dtype,
                                      std::span<std::byte> out) const {
  const ForeignWeight& whole = weight(name);
  const std::uint64_t bytes =
      static_cast<std::uint64_t>(elements_of(whole.shape)) * size_of(dtype);
  DURE_CHECK(out.size() == bytes,
             "{} takes {} bytes, the buffer has {}",
             name,
             bytes,
             out.size());
  std::int64_t vanished = 0;
  for (const ForeignSlice& part : whole.parts) {
    vanished +=
        read_part(*find(part.name), part, dtype, rows_in(out, whole, part));
  }
  return vanished;
}

void HuggingFaceWeights::read_stretches(
    const std::string& name,
    std::span<const mesh::Stretch> stretches,
    std::span<float> out) const {
  std::vector<float> whole(
      static_cast<std::size_t>(elements_of(weight(name).shape)));
  read(name, whole);
  for (const mesh::Stretch& stretch : stretches) {
    const auto from =
        std::span(whole).subspan(static_cast<std::size_t>(stretch.global),
                                 static_cast<std::size_t>(stretch.length));
    std::copy(from.begin(), from.end(), out.begin() + stretch.local);
  }
}

const ForeignWeight& HuggingFaceWeights::weight(const std::string& name) const {
  const auto found = places_.find(name);
  DURE_CHECK(found != places_.end(),
             "{}: the model has no weight {}",
             files_.path().string(),
             name);
  return weights_[found->second];
}

const TensorEntry* HuggingFaceWeights::find(const std::string& name) const {
  const TensorEntry* entry = files_.find(name);
  return entry != nullptr ? entry : files_.find(without_base(name, config_));
}

void HuggingFaceWeights::check_shapes() const {
  const std::string file = files_.path().string();
  for (const ForeignWeight& weight : weights_) {
    for (const ForeignSlice& part : weight.parts) {
      const TensorEntry* entry = find(part.name);
      DURE_CHECK(entry != nullptr, "{}: has no tensor {}", file, part.name);
      expect_tensor(*entry, part.shape, file);
    }
  }
}

void HuggingFaceWeights::check_unknown() const {
  std::set<std::string, std::less<>> known;
  for (const ForeignWeight& weight : weights_) {
    for (const ForeignSlice& part : weight.parts) {
      known.insert(std::string(without_base(part.name, config_)));
    }
  }
  for (const std::string& name : files_.names()) {
    DURE_CHECK(known.count(without_base(name, config_)) != 0 ||
                   is_no_weight(name, config_),
               "{}: has a tensor {}, which the model of config.json has not",
               files_.path().string(),
               quoted(name));
  }
  check_tied_head();
}

// Checks that the copy of a tied head equals the embedding, as it is not read.
void HuggingFaceWeights::check_tied_head() const {
  const TensorEntry* head = files_.find("lm_head.weight");
  if (!config_.tie_embeddings || head == nullptr) {
    return;
  }
  const TensorEntry& token = *find(weight(kTokenWeight).parts.front().name);
  DURE_CHECK(head->dtype == token.dtype && head->shape == token.shape &&
                 std::equal(head->bytes.begin(),
                            head->bytes.end(),
                            token.bytes.begin(),
                            token.bytes.end()),
             "{}: lm_head.weight is not the token embedding, though "
             "config.json ties the two; set tie_word_embeddings to false there "
             "if the model has a head of its own",
             files_.path().string());
}

}  // namespace dure::checkpoint
