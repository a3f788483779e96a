#include "dure/comm/mpi/mpi_communicator.h"

#include <numeric>
#include <utility>
#include <vector>

#include "dure/comm/mpi/collective_operation.h"
#include "dure/comm/mpi/make_channel.h"
#include "dure/comm/mpi/messages.h"
#include "dure/comm/mpi/procedure.h"

namespace dure::comm {

std::unique_ptr<Communicator> MpiCommunicator::make_world(
    const std::shared_ptr<MpiEngine>& engine, const Options& options) {
  auto lineage = std::make_shared<Lineage>();
  lineage->options = options;
  return make_world(engine, lineage);
}

std::unique_ptr<Communicator> MpiCommunicator::twin(const Options& options) {
  DURE_CHECK(size() == engine_->facts().size,
             "only a communicator of all {} ranks has a twin",
             engine_->facts().size);
  auto lineage = std::make_shared<Lineage>();
  lineage->options = options;
  lineage->is_twin = true;
  const auto all = make_world(engine_, lineage);
  return all->subgroup(channel_->world_ranks, axis());
}

std::unique_ptr<Communicator> MpiCommunicator::make_world(
    const std::shared_ptr<MpiEngine>& engine,
    const std::shared_ptr<Lineage>& lineage) {
  const MpiFacts& facts = engine->facts();
  Identity identity{
      .rank = facts.rank, .size = facts.size, .options = lineage->options};
  lineage->recorder = identity.ledger->recorder;
  auto channel = std::make_shared<Channel>();
  channel->id = world_id(engine->count_world());
  channel->axis = identity.axis;
  channel->rank = facts.rank;
  channel->world_ranks.resize(static_cast<std::size_t>(facts.size));
  std::iota(channel->world_ranks.begin(), channel->world_ranks.end(), 0);
  channel->lineage = lineage;
  channel->largest_tag = engine->largest_tag();
  engine->run(std::make_shared<MakeWorld>(engine, channel, engine->world()));
  return std::make_unique<MpiCommunicator>(
      engine, std::move(channel), std::move(identity));
}

MpiCommunicator::MpiCommunicator(std::shared_ptr<MpiEngine> engine,
                                 std::shared_ptr<Channel> channel,
                                 Identity identity)
    : Communicator(std::move(identity)),
      engine_(std::move(engine)),
      channel_(std::move(channel)) {
  engine_->add(channel_);
}

MpiCommunicator::~MpiCommunicator() {
  engine_->release(std::move(channel_));
}

bool MpiCommunicator::supports_request(const Request& request) const {
  return has_procedure(request);
}

void MpiCommunicator::execute(Stream& /*stream*/, const Request& request) {
  engine_->run(std::make_shared<CollectiveOperation>(
      engine_, channel_, request, CollectiveOperation::Recorded::kByCaller));
}

Work MpiCommunicator::begin(Stream& /*after*/, const Request& request) {
  const auto operation = std::make_shared<CollectiveOperation>(
      engine_, channel_, request, CollectiveOperation::Recorded::kHere);
  engine_->submit(operation);
  return Work(operation);
}

Work MpiCommunicator::begin_messages(Stream& /*after*/,
                                     std::span<const Request> messages) {
  const auto operation =
      std::make_shared<MessagesOperation>(engine_, channel_, messages);
  engine_->submit(operation);
  return Work(operation);
}

std::unique_ptr<Communicator> MpiCommunicator::make_subgroup(
    std::span<const int> members, Identity identity) {
  if (members.size() == 1) {
    return make_alone(std::move(identity));
  }
  auto channel = std::make_shared<Channel>();
  for (const int member : members) {
    channel->world_ranks.push_back(channel_->world_ranks[member]);
  }
  channel->id = child_id(*channel_, channel->world_ranks.front());
  channel->axis = identity.axis;
  channel->rank = identity.rank;
  channel->lineage = channel_->lineage;
  channel->largest_tag = channel_->largest_tag;
  engine_->run(std::make_shared<MakeSubgroup>(
      engine_,
      channel,
      channel_->data,
      std::vector<int>(members.begin(), members.end())));
  return std::make_unique<MpiCommunicator>(
      engine_, std::move(channel), std::move(identity));
}

}  // namespace dure::comm
