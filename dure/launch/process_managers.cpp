#include "dure/launch/process_managers.h"

#include <algorithm>
#include <charconv>

namespace dure::launch {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The lines, without white space around them.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    const std::size_t first = std::min(line.find_first_not_of(" \t\r"), end);
    line.remove_prefix(first);
    line.remove_suffix(line.size() - (line.find_last_not_of(" \t\r") + 1));
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The 4 of "Open MPI v4.1.4, ..."; 0 for another library.
int open_mpi_version(std::string_view library) {
  constexpr std::string_view kName = "Open MPI v";
  const std::size_t at = library.find(kName);
  int version = 0;
  if (at != std::string_view::npos) {
    const std::string_view number = library.substr(at + kName.size());
    std::from_chars(number.data(), number.data() + number.size(), version);
  }
  return version;
}

}  // namespace

std::vector<std::string> managers_of_mpi(std::string_view library,
                                         std::string_view description) {
  std::vector<std::string> managers;
  const int open_mpi = open_mpi_version(library);
  if (open_mpi >= 5) {
    return {"pmix"};
  }
  if (open_mpi > 0) {
    // These are components of its framework "pmix", such as ext3x and pmix3x;
    // s1 and s2 are Slurm's libraries of PMI.
    if (contains(description, "mca:pmix:ext") ||
        contains(description, "mca:pmix:pmix")) {
      managers.emplace_back("pmix");
    }
    if (contains(description, "mca:pmix:s2:")) {
      managers.emplace_back("pmi2");
    }
    if (contains(description, "mca:pmix:s1:")) {
      managers.emplace_back("pmi");
    }
  } else if (contains(library, "MPICH") || contains(library, "Intel")) {
    // It speaks PMI unless its configuration says otherwise.
    if (contains(description, "--with-pmix")) {
      managers.emplace_back("pmix");
    }
    managers.emplace_back(contains(description, "--with-pmi=pmi2") ? "pmi2"
                                                                   : "pmi");
  }
  return managers;
}

// A heading that ends in "...", then a name a line, up to a line with spaces.
// Older versions begin each line with "srun: ".
std::vector<std::string> plugins_of_srun(std::string_view list) {
  std::vector<std::string> plugins;
  bool in_list = false;
  for (std::string_view line : lines_of(list)) {
    if (line.starts_with("srun: ")) {
      line.remove_prefix(6);
    }
    if (line.ends_with("...")) {
      in_list = true;
    } else if (in_list && !line.empty()) {
      if (contains(line, " ")) {
        break;
      }
      plugins.emplace_back(line);
    }
  }
  return plugins;
}

std::string common_srun(const std::vector<std::string>& managers,
                        const std::vector<std::string>& plugins) {
  for (const std::string& manager : managers) {
    // The plugin pmi2 serves PMI, too.
    const std::string wanted = manager == "pmi" ? "pmi2" : manager;
    if (std::find(plugins.begin(), plugins.end(), wanted) != plugins.end()) {
      return "srun --mpi=" + wanted;
    }
  }
  return "";
}

}  // namespace dure::launch
