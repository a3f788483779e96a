#include "dure/report/document.h"

#include "dure/base/check.h"
#include "dure/report/markup.h"
#include "dure/report/page_style.h"

namespace dure::report {

std::string document(const std::string& title, const std::string& body) {
  const std::string name = escape(title);
  return concat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n",
                "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" ",
                "content=\"width=device-width, initial-scale=1\"/>\n<title>",
                name,
                " - dure report</title>\n<style>",
                kStyle,
                "</style>\n</head>\n<body>\n<h1>",
                name,
                "</h1>\n",
                body,
                "</body>\n</html>\n");
}

}  // namespace dure::report
