#include "dure/train/run_saver.h"

#include "dure/base/check.h"
#include "dure/base/error_text.h"
#include "dure/comm/communicator.h"
#include "dure/train/combine.h"

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

// None leaves before all is written: who leaves ends the others.
void RunSaver::save_last_whole(comm::Communicator& ranks) {
  try {
    const std::int64_t step = trainer_.position().step;
    const bool none = saving_ || !trainer_.is_whole();
    if (any_of(ranks, none) || !all_same(ranks, step) || saved_step_ == step) {
      return;
    }
    save(ranks);
    ranks.run(rank_.stream, comm::Barrier{});
    if (rank_.is_first()) {
      options_.log.warning(
          concat("the run ends by an error; step ",
                 step,
                 ", the last one, is saved: add --resume to go on"));
    }
  } catch (const std::exception& error) {
    options_.log.warning(
        concat("the last step could not be saved: ", message_of(error)));
  }
}

// The world fails first, so that no rank waits there for this one.
void RunSaver::save_over_twin(const std::exception& error) {
  rank_.world().abandon(error.what());
  if (options_.twin != nullptr) {
    save_last_whole(*options_.twin);
  } else if (rank_.world().size() == 1) {
    save_last_whole(rank_.world());
  }
}

}  // namespace dure::train
