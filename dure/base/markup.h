// Text of HTML and of SVG images that stand alone, well-formed as XML is.
#pragma once

#include <string>
#include <string_view>

namespace dure {

// For text and for attributes in double quotes: & < > " as entities, control
// characters and broken UTF-8 as U+FFFD.
std::string escape(std::string_view text);

namespace svg {

// In what follows, `more` is further attributes, each with a space before it.

// All of an image that is so many pixels large; `content` is elements.
std::string image(double width,
                  double height,
                  std::string_view more,
                  std::string_view content);

// `title` is what a browser shows under the mouse.
std::string box(double x,
                double y,
                double width,
                double height,
                std::string_view more,
                std::string_view title = "");

// `anchor`: start, middle or end of the text is at x.
std::string words(double x,
                  double y,
                  std::string_view anchor,
                  std::string_view text,
                  std::string_view more = "");

}  // namespace svg
}  // namespace dure
