// The parts of the page, each HTML; empty if there is nothing to show.
#pragma once

#include <string>
#include <vector>

#include "dure/report/choices.h"
#include "dure/report/report.h"

namespace dure::report {

// A picture with its name, a sentence about it, and a table.
struct Figure {
  std::string name = {};
  std::string about = {};
  struct Entry {
    std::string name = {};
    std::size_t series = 0;
  };
  std::vector<Entry> legend = {};  // none for one
  std::string drawing = {};
  std::string table = {};
  const char* style = "";  // "wide": on a line of its own
};
std::string to_html(const Figure& figure);

// Texts that describe one run, or several.
std::string model_text(const Report& report);
std::string mesh_text(const Report& report);
std::string last_validation(const MetricsSeries& metrics);

std::string facts_section(const Report& report);
std::string starts_section(const Report& report);
std::string data_section(const Report& report);
std::string training_section(const Report& report, const Choices& choices);
// Figures for the training section.
std::string loss_scale_figure(const Report& report);
std::string gradient_figures(const Report& report);
std::string memory_section(const Report& report);
std::string communication_section(const Report& report);
std::string pipeline_section(const Report& report);
std::string operations_section(const Report& report);

}  // namespace dure::report
