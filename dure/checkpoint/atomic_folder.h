// A folder that appears under its name, whole, at commit(), or never; and the
// removal of a folder as a whole.
#pragma once

#include <cstdint>

#include "dure/base/files.h"

namespace dure::checkpoint {

// Files go to path(), a Temporary, which is removed without a commit. A target
// that is a link to a folder, or to where one can be, stays a link.
class AtomicFolder {
 public:
  // kReplace: commit() swaps the old and the new folder, and removes the old
  // one.
  enum class Existing : std::uint8_t { kRefuse, kReplace };

  AtomicFolder(const Path& target, Existing existing);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const Path& path() const { return temporary_.path(); }

  // Every file in path() must be closed and synced before.
  void commit();

 private:
  Path target_;
  Temporary temporary_;
};

// Removes the folder so that no half of it is ever seen under its name.
void remove_folder(const Path& folder);

}  // namespace dure::checkpoint
