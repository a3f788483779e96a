// The log: lines for people, on standard error. A value that is passed in.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace dure {

// Copies share one sink. Each line is written whole, from any thread, with
// escapes for what could move a cursor. A failure to write is ignored.
class Log {
 public:
  enum class Level { kDebug, kInfo, kWarning, kError };

  struct Options {
    Level level = Level::kInfo;  // and above
    std::string prefix = {};     // of each line, such as "[rank 3] "
    std::string file = {};       // that gets every line from kInfo on, too
  };

  Log() : Log(Options{}) {}
  explicit Log(const Options& options);

  void debug(std::string_view line) const { write(Level::kDebug, line); }
  void info(std::string_view line) const { write(Level::kInfo, line); }
  void warning(std::string_view line) const { write(Level::kWarning, line); }
  void error(std::string_view line) const { write(Level::kError, line); }

 private:
  struct Sink;

  void write(Level level, std::string_view line) const;

  std::shared_ptr<Sink> sink_;
};

}  // namespace dure
