// Names for files and folders that are being made and have no final name yet.
#pragma once

#include <filesystem>
#include <string_view>

namespace dure {

using Path = std::filesystem::path;

// The hidden neighbour ".NAME.tmp.HOST.PROCESS.NUMBER" of a file or a folder
// that is to be made: the owner makes it under this name and then renames it.
// No two live ones share a name. The destructor removes what still stands
// there, and so does an end by a signal (interrupt.h). The leftovers of a
// killed process are removed by the next Temporary of that name, or by
// remove_leftovers().
class Temporary {
 public:
  explicit Temporary(const Path& target);
  Temporary(Temporary&& other) noexcept;
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary();

  const Path& path() const { return path_; }

 private:
  Path path_;
};

// Removes from the directory the temporaries whose target's name begins with
// `prefix`: those of this host's processes that are gone, and those of other
// hosts that nobody has touched for a week. Dure 0.1's are removed as well:
// folders (".NAME.tmp.HOST.PROCESS"), and files ("NAME.tmp.PROCESS.NUMBER")
// only with a prefix, because other programs may use such names. A temporary
// that can't be removed stays.
void remove_leftovers(const Path& directory, std::string_view prefix = "");

// Removes everything that this process is making and lets it begin nothing
// more, for a process that ends right after.
void remove_temporaries_at_the_end();

}  // namespace dure
