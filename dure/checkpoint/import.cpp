#include "dure/checkpoint/import.h"

#include <vector>

#include "dure/checkpoint/atomic_folder.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/conversion.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/checkpoint/safetensors_writer.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

std::vector<TensorHeader> headers_of(const WeightSource& source,
                                     const ImportOptions& options) {
  std::vector<TensorHeader> headers;
  for (const model::WeightSpec& spec : model::weights(source.config())) {
    headers.push_back({spec.name,
                       options.dtype.value_or(source.dtype(spec.name)),
                       spec.logical});
  }
  return headers;
}

void write_weights(Conversion& conversion,
                   const std::vector<TensorHeader>& headers,
                   const Path& path) {
  SafetensorsWriter writer(path, headers);
  std::vector<std::byte> bytes;
  for (const TensorHeader& header : headers) {
    bytes.resize(bytes_of(header));
    conversion.read(header.name, header.dtype, bytes);
    writer.write(header.name, bytes);
  }
  writer.commit();
}

}  // namespace

std::vector<std::string> write_checkpoint(const WeightSource& source,
                                          const Path& folder,
                                          const ImportOptions& options) {
  Conversion conversion(source);
  AtomicFolder target(folder, AtomicFolder::Existing::kRefuse);
  const Path weights = target.path() / kModelFile;
  write_weights(conversion, headers_of(source, options), weights);
  Manifest manifest{.model = source.config(),
                    .commit = options.commit,
                    .files = {{.name = kModelFile,
                               .bytes = std::filesystem::file_size(weights),
                               .xxh64 = xxh64_of_file(weights)}}};
  for (const auto& [name, text] : options.documents) {
    manifest.files.push_back(write_document(target.path(), name, text));
  }
  write_file_atomically(target.path() / kManifestFile, to_json(manifest));
  target.commit();
  return conversion.notes();
}

}  // namespace dure::checkpoint
