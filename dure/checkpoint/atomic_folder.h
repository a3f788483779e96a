// A folder that appears under its name, whole, at commit(), or never; and one
// that goes as a whole.
#pragma once

#include <cstdint>

#include "dure/base/files.h"

namespace dure::checkpoint {

// Files go to path(), a hidden neighbour ".NAME.tmp.HOST.PID" of the folder to
// be; a destructor without commit removes it. What a killed process leaves, the
// next AtomicFolder of that name on that host removes.
class AtomicFolder {
 public:
  // kReplace: commit() swaps the two and then removes the old one.
  enum class Existing : std::uint8_t { kRefuse, kReplace };

  AtomicFolder(const Path& target, Existing existing);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  const Path& path() const { return temporary_; }

  // Every file in path() must be closed and synced by then.
  void commit();

 private:
  enum class State : std::uint8_t { kOpen, kDone };

  Path target_;
  Path temporary_;
  State state_ = State::kOpen;
};

// Removes it so that no half of it is ever seen under its name.
void remove_folder(const Path& folder);

// Removes the hidden neighbours, of this host's processes that are gone, of all
// folders in `parent` whose names begin with `prefix`.
void remove_leftovers(const Path& parent, const std::string& prefix);

}  // namespace dure::checkpoint
