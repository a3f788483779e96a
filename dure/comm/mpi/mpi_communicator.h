// Ranks that are processes, through the engine.
#pragma once

#include <memory>
#include <span>

#include "dure/comm/communicator.h"
#include "dure/comm/mpi/engine.h"

namespace dure::comm {

class MpiCommunicator final : public Communicator {
 public:
  // Collective: a communicator of all ranks.
  static std::unique_ptr<Communicator> make_world(
      const std::shared_ptr<MpiEngine>& engine, const Options& options);

  MpiCommunicator(std::shared_ptr<MpiEngine> engine,
                  std::shared_ptr<Channel> channel,
                  Identity identity);
  ~MpiCommunicator() override;

  const char* back_end() const override { return "mpi"; }
  bool is_one_process() const override { return size() == 1; }
  void abandon(const std::string& message) override {
    engine_->abandon(message);
  }
  // Supported by a communicator of all ranks.
  std::unique_ptr<Communicator> twin(const Options& options) override;

 protected:
  bool supports_request(const Request& request) const override;
  void execute(Stream& stream, const Request& request) override;
  Work begin(Stream& after, const Request& request) override;
  Work begin_messages(Stream& after,
                      std::span<const Request> messages) override;
  std::unique_ptr<Communicator> make_subgroup(std::span<const int> members,
                                              Identity identity) override;

 private:
  static std::unique_ptr<Communicator> make_world(
      const std::shared_ptr<MpiEngine>& engine,
      const std::shared_ptr<Lineage>& lineage);

  std::shared_ptr<MpiEngine> engine_;
  std::shared_ptr<Channel> channel_;
};

}  // namespace dure::comm
