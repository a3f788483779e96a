// The parts of the page, each HTML; empty where there is nothing to show.
#pragma once

#include <string>
#include <vector>

#include "dure/report/report.h"

namespace dure::report {

// A picture with its name, what it shows in a sentence, and what follows it.
struct Figure {
  std::string name = {};
  std::string about = {};
  std::vector<std::string> legend = {};  // series 0, 1, ...; none for one
  std::string svg = {};
  std::string table = {};
  const char* style = "";  // "wide": on a line of its own
};
std::string to_html(const Figure& figure);

std::string facts_section(const Report& report);
std::string training_section(const Report& report);
std::string memory_section(const Report& report);
std::string communication_section(const Report& report);
std::string pipeline_section(const Report& report);
std::string operations_section(const Report& report);

}  // namespace dure::report
