#include "dure/base/links.h"

#include <system_error>

#include "dure/base/check.h"

namespace dure {

Path target_of(const Path& path) {
  constexpr int kMostLinks = 40;  // Linux's own limit
  Path target = path;
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code none;
    const Path next = std::filesystem::read_symlink(target, none);
    if (none) {  // no link
      return target;
    }
    target = target.parent_path() / next;  // `next` alone if absolute
  }
  throw Error(
      "{} is a link that leads back to itself; remove it, or "
      "choose another name",
      path.string());
}

}  // namespace dure
