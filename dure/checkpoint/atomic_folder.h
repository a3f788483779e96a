// A folder that appears under its name, whole, at commit(), or never; and one
// that goes as a whole.
#pragma once

#include <cstdint>

#include "dure/base/files.h"

namespace dure::checkpoint {

// Files go to path(), a Temporary; without commit it goes again. A target that
// is a link to a folder, or to where one can be, stays one.
class AtomicFolder {
 public:
  // kReplace: commit() swaps the two and then removes the old one.
  enum class Existing : std::uint8_t { kRefuse, kReplace };

  AtomicFolder(const Path& target, Existing existing);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const Path& path() const { return temporary_.path(); }

  // Every file in path() must be closed and synced by then.
  void commit();

 private:
  Path target_;
  Temporary temporary_;
};

// Removes it so that no half of it is ever seen under its name.
void remove_folder(const Path& folder);

}  // namespace dure::checkpoint
