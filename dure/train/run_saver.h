// The checkpoints of a run: each step saved once, and after an error the last
// whole one.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>

#include "dure/base/log.h"
#include "dure/train/run_checkpoint.h"

namespace dure::train {

class RunSaver {
 public:
  struct Options {
    Log log;
    // The ranks again, with failures of their own; null: none.
    comm::Communicator* twin = nullptr;
  };

  // All outlive it; what the documents hold is read when it saves.
  RunSaver(Rank& rank,
           Trainer& trainer,
           const RunDocuments& documents,
           const Options& options)
      : rank_(rank),
        trainer_(trainer),
        documents_(documents),
        options_(options) {}

  // The trainer's step is on disk already, or there is nothing to save as yet.
  void skip_this_step();

  // Collective over the world. What is saved, or was read, is not written
  // again.
  void save() { save(rank_.world()); }

  // After an Error that all ranks throw, or this one alone. Where all ranks
  // come here with weights and states of one step, that step is saved; else
  // nothing is. Throws nothing.
  void save_last_whole();
  void save_over_twin(const std::exception& error);

 private:
  void save(comm::Communicator& ranks);
  void save_last_whole(comm::Communicator& ranks, comm::HostRanks& control);
  // function(); what it throws is said.
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
