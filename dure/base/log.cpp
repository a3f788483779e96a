#include "dure/base/log.h"

#include <optional>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include "dure/base/files.h"
#include "dure/base/process.h"
#include "dure/base/quote.h"
#include "dure/base/terminal.h"

namespace dure {

struct Log::Sink {
  spdlog::logger terminal{"dure"};
  std::optional<spdlog::logger> file = {};
};

namespace {

spdlog::level::level_enum to_spdlog(Log::Level level) {
  switch (level) {
    case Log::Level::kDebug:
      return spdlog::level::debug;
    case Log::Level::kInfo:
      return spdlog::level::info;
    case Log::Level::kWarning:
      return spdlog::level::warn;
    case Log::Level::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

Log::Log(const Options& options) : sink_(std::make_shared<Sink>()) {
  sink_->terminal.sinks().push_back(
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
          has_colours(STDERR_FILENO) ? spdlog::color_mode::always
                                     : spdlog::color_mode::never));
  sink_->terminal.set_level(to_spdlog(options.level));
  sink_->terminal.set_pattern(options.prefix + "%^%l%$: %v");
  if (!options.file.empty()) {
    make_directories(Path(options.file).parent_path());
    sink_->file.emplace("dure",
                        std::make_shared<spdlog::sinks::basic_file_sink_mt>(
                            options.file, /*truncate=*/true));
    sink_->file->set_level(spdlog::level::info);
    sink_->file->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    sink_->file->flush_on(spdlog::level::info);
  }
}

void Log::write(Level level, std::string_view line) const {
  constexpr int kPatience = 1000;  // milliseconds
  const std::string text = printable(line);
  const spdlog::string_view_t shown(text.data(), text.size());
  // A line that nobody reads must not hold up the work.
  if (can_write(STDERR_FILENO, kPatience)) {
    sink_->terminal.log(to_spdlog(level), shown);
  }
  if (sink_->file) {
    sink_->file->log(to_spdlog(level), shown);
  }
}

}  // namespace dure
