#include "dure/base/log.h"

#include <algorithm>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "dure/base/files.h"
#include "dure/base/quote.h"

namespace dure {

struct Log::Sink {
  spdlog::logger logger{"dure"};
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
  const auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  terminal->set_level(to_spdlog(options.level));
  terminal->set_pattern(options.prefix + "%^%l%$: %v");
  sink_->logger.set_level(to_spdlog(options.level));
  sink_->logger.sinks().push_back(terminal);
  if (!options.file.empty()) {
    make_directories(Path(options.file).parent_path());
    const auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(
        options.file, /*truncate=*/true);
    file->set_level(spdlog::level::info);
    file->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    sink_->logger.sinks().push_back(file);
    sink_->logger.set_level(
        std::min(to_spdlog(options.level), spdlog::level::info));
    sink_->logger.flush_on(spdlog::level::info);
  }
}

void Log::write(Level level, std::string_view line) const {
  const std::string text = printable(line);
  sink_->logger.log(to_spdlog(level),
                    spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace dure
