// Names of what is being made and does not yet stand under its own name.
#pragma once

#include <filesystem>
#include <string_view>

namespace dure {

using Path = std::filesystem::path;

// The hidden neighbour ".NAME.tmp.HOST.PROCESS.NUMBER" of what is to be made, a
// file or a folder: made under it by the owner, who then renames it. No two
// that live have one name. The destructor removes what still stands there. So
// does an end by a signal (interrupt.h); what a killed process leaves, the next
// Temporary of that name removes, or remove_leftovers().
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

// Removes from the directory the temporaries of all whose names begin with
// `prefix`: those of processes of this host that are gone, and those of other
// hosts that nobody has touched for a week. So it does those of Dure 0.1, of
// folders (".NAME.tmp.HOST.PROCESS") and, where a prefix says that they are
// meant, of files ("NAME.tmp.PROCESS.NUMBER", which others may use, too). What
// can't be removed stays: it harms nobody.
void remove_leftovers(const Path& directory, std::string_view prefix = "");

// Removes all that this process is making, and lets it begin nothing more: for
// a process that ends right after.
void remove_temporaries_at_the_end();

}  // namespace dure
