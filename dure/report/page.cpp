#include "dure/report/page.h"

#include <fmt/core.h>

#include "dure/report/document.h"
#include "dure/report/markup.h"
#include "dure/report/sections.h"

namespace dure::report {
namespace {

std::string notes_section(const Report& report) {
  std::string html;
  for (const std::string& note : report.notes) {
    html += fmt::format("<p class=\"soft\">{}</p>\n", escape(note));
  }
  return html;
}

}  // namespace

std::string to_html(const Report& report, const Choices& choices) {
  return document(report.name,
                  fmt::format("{}{}{}{}{}{}{}{}{}",
                              facts_section(report),
                              notes_section(report),
                              training_section(report, choices),
                              memory_section(report),
                              communication_section(report),
                              pipeline_section(report),
                              operations_section(report),
                              data_section(report),
                              starts_section(report)));
}

}  // namespace dure::report
