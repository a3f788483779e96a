// For tests: whether text is well-formed, by an XML parser's rules.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace dure::report {

// Returns the first error, or nothing. Knows elements, attributes in double
// quotes, the five entities, and a doctype, but neither comments nor sections,
// which we don't write.
class WellFormed {
 public:
  explicit WellFormed(std::string_view text) : text_(text) {}

  std::string error() {
    if (text_.starts_with("<!DOCTYPE html>")) {
      at_ = 15;
    }
    while (at_ < text_.size() && error_.empty()) {
      text_[at_] == '<' ? tag() : character('<');
    }
    if (error_.empty() && !open_.empty()) {
      refuse("never closed: " + open_.back());
    }
    return error_;
  }

 private:
  void refuse(const std::string& what) {
    error_ = what + " before: " +
             std::string(text_.substr(at_ < 40 ? 0 : at_ - 40, 60));
  }

  // Reads a character of text or of an attribute, up to `end`.
  void character(char end) {
    if (text_[at_] == '&') {
      const std::string_view rest = text_.substr(at_);
      for (const char* name : {"&amp;", "&lt;", "&gt;", "&quot;"}) {
        if (rest.starts_with(name)) {
          at_ += std::string_view(name).size();
          return;
        }
      }
      return refuse("an ampersand");
    }
    if (text_[at_] == '<' || (end == '<' && text_[at_] == '\0')) {
      return refuse("a character out of place");
    }
    ++at_;
  }

  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
            text_[at_] == '-')) {
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  bool take(std::string_view wanted) {
    const bool there = text_.substr(at_).starts_with(wanted);
    at_ += there ? wanted.size() : 0;
    return there;
  }

  void tag() {
    if (take("</")) {
      const std::string closed = name();
      if (open_.empty() || open_.back() != closed || !take(">")) {
        return refuse("closes " + closed);
      }
      open_.pop_back();
      return;
    }
    take("<");
    const std::string opened = name();
    attributes();
    if (!error_.empty() || take("/>")) {
      return;
    }
    if (opened.empty() || !take(">")) {
      return refuse("not a tag");
    }
    open_.push_back(opened);
  }

  void attributes() {
    std::vector<std::string> seen;
    while (error_.empty() && take(" ")) {
      const std::string key = name();
      for (const std::string& other : seen) {
        if (other == key) {
          return refuse("twice " + key);
        }
      }
      seen.push_back(key);
      if (key.empty() || !take("=\"")) {
        return refuse("not an attribute");
      }
      while (error_.empty() && at_ < text_.size() && text_[at_] != '"') {
        character('"');
      }
      take("\"");
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> open_;
  std::string error_;
};

}  // namespace dure::report
