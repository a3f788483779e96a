#include "dure/base/links.h"

#include <system_error>

#include "dure/base/check.h"

namespace dure {

Path target_of(const Path& path) {
  constexpr int kMostLinks = 40;  // as Linux itself has it
  Path target = path;
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code none;
    const Path next = std::filesystem::read_symlink(target, none);
    if (none) {  // it is no link
      return target;
    }
    target = target.parent_path() / next;  // `next` alone if absolute
  }
  throw Error(concat(path.string(),
                     " is a link that leads back to itself; remove it, or "
                     "choose another name"));
}

}  // namespace dure
