#include "dure/run/run_saver.h"

#include <fmt/core.h>

#include "dure/base/error_text.h"
#include "dure/comm/communicator.h"

namespace dure::train {

void RunSaver::skip_this_step() {
  saved_step_ = trainer_.position().step;
}

void RunSaver::save(comm::Communicator& ranks) {
  const std::int64_t step = trainer_.position().step;
  if (saved_step_ != step) {
    saving_ = true;
    save_trainer(rank_, trainer_, documents_, ranks);
    saving_ = false;
    saved_step_ = step;
  }
}

// No rank leaves before everything is written, because its end would end the
// others.
void RunSaver::save_last_whole(comm::Communicator& ranks,
                               comm::HostRanks& control) {
  const std::int64_t step = trainer_.position().step;
  const bool none = saving_ || !trainer_.is_whole();
  if (control.any(none) || !control.all_same(step) || saved_step_ == step) {
    return;
  }
  save(ranks);
  control.barrier();
  if (rank_.is_first()) {
    options_.log.warning(
        fmt::format("the run ends by an error; step {}, the last one, is "
                    "saved: add --resume to go on",
                    step));
  }
}

template <typename Function>
void RunSaver::or_say(Function&& function) {
  try {
    function();
  } catch (const std::exception& error) {
    options_.log.warning(
        fmt::format("the last step could not be saved: {}", message_of(error)));
  }
}

void RunSaver::save_last_whole() {
  or_say([&] { save_last_whole(rank_.world(), rank_.control()); });
}

// The world fails first, so that no rank waits there for this one.
void RunSaver::save_over_twin(const std::exception& error) {
  rank_.world().abandon(error.what());
  if (options_.twin != nullptr) {
    or_say([&] {
      comm::HostRanks control(*options_.twin);
      save_last_whole(*options_.twin, control);
    });
  } else if (rank_.world().size() == 1) {
    save_last_whole();
  }
}

}  // namespace dure::train
