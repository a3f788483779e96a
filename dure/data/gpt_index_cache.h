// The GPT index kept on disk: docs/formats/gpt_index.md.
//
// A file is named by a hash of everything the index depends on, so it is never
// wrong, only absent. Ranks (threads or processes) that build the same index at
// once each write a file and rename it: the last one replaces equal bytes by
// equal bytes, and a reader sees a whole file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/data/gpt_index.h"
#include "dure/data/indexed_dataset.h"

namespace dure::data {

// 128 bits of hash, low word first.
using GptIndexKey = std::array<std::uint64_t, 2>;

// The hash of the .idx file's bytes and of the inputs.
GptIndexKey key_of(const IndexedDataset& data, const GptIndexInputs& inputs);

// PREFIX.gpt-KEY.index, or that name in `directory` if it is given.
Path cache_path(const std::string& prefix,
                const std::string& directory,
                const GptIndexKey& key);

void save_gpt_index(const Path& path,
                    const GptIndexKey& key,
                    const GptIndex& index);

// Nothing if there is no file, or if anything in it is wrong.
std::optional<GptIndex> load_gpt_index(const Path& path,
                                       const GptIndexKey& key,
                                       const GptIndexSizes& sizes);

// Loads the index, or builds and saves it. If it can't be saved (a read-only
// disk), it is kept in memory, and `log`, if there is one, says so.
GptIndex open_gpt_index(const IndexedDataset& data,
                        const GptIndexInputs& inputs,
                        const std::string& directory,
                        const Log* log);

}  // namespace dure::data
