#include "dure/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace dure {

struct Log::Sink {
  spdlog::logger logger{
      "dure", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()};
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

Log::Log(Level level) : sink_(std::make_shared<Sink>()) {
  sink_->logger.set_level(to_spdlog(level));
  sink_->logger.set_pattern("%^%l%$: %v");
}

void Log::write(Level level, std::string_view line) const {
  sink_->logger.log(to_spdlog(level),
                    spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace dure
