// Saves the checkpoints of a run: each step once, and after an error the last
// whole step.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>

#include "dure/base/log.h"
#include "dure/run/run_checkpoint.h"

namespace dure::train {

class RunSaver {
 public:
  struct Options {
    Log log;
    // A communicator of the same ranks that fails separately; null: none.
    comm::Communicator* twin = nullptr;
  };

  // All references outlive it. The documents are read when it saves.
  RunSaver(Rank& rank,
           Trainer& trainer,
           const RunDocuments& documents,
           const Options& options)
      : rank_(rank),
        trainer_(trainer),
        documents_(documents),
        options_(options) {}

  // The trainer's step is on disk already, or there is nothing to save yet.
  void skip_this_step();

  // Collective over the world. Does nothing if the step is saved, or was
  // loaded.
  void save() { save(rank_.world()); }

  // Called after an Error that all ranks throw, or this one alone. If all ranks
  // come here with weights and states of one step, that step is saved; else
  // nothing is. Throws nothing.
  void save_last_whole();
  void save_over_twin(const std::exception& error);

 private:
  void save(comm::Communicator& ranks);
  void save_last_whole(comm::Communicator& ranks, comm::HostRanks& control);
  // Calls function(), and reports what it throws.
  template <typename Function>
  void or_say(Function&& function);

  Rank& rank_;
  Trainer& trainer_;
  const RunDocuments& documents_;
  Options options_;
  std::optional<std::int64_t> saved_step_;
  bool saving_ = false;
};

}  // namespace dure::train
