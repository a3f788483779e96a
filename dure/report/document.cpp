#include "dure/report/document.h"

#include <fmt/core.h>

#include "dure/report/markup.h"
#include "dure/report/page_style.h"

namespace dure::report {

std::string document(const std::string& title, const std::string& body) {
  const std::string name = escape(title);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
      "charset=\"utf-8\"/>\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/>\n<title>{} - dure "
      "report</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n{}</"
      "body>\n</html>\n",
      name,
      kStyle,
      name,
      body);
}

}  // namespace dure::report
