#include "dure/train/tensor_gatherer.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "dure/base/check.h"

namespace dure::train {
namespace {

using checkpoint::PieceBytes;
using checkpoint::TensorPiece;

std::span<const std::byte> bytes_of(ConstTensor x) {
  return {static_cast<const std::byte*>(x.bytes()), x.size_bytes()};
}

// What every rank says, on every rank.
std::vector<std::vector<Stretch>> exchange(comm::Communicator& comm,
                                           std::vector<Stretch> mine) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  std::int64_t count = std::ssize(mine);
  std::vector<std::int64_t> counts(ranks);
  comm.run(comm::AllGather{.y = Tensor(counts.data(), {comm.size()}),
                           .x = ConstTensor(&count, {1})});
  const std::int64_t total =
      std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  std::vector<Stretch> all(static_cast<std::size_t>(total));
  comm::Counts words;
  for (const std::int64_t n : counts) {
    words.push_back(2 * n);
  }
  static_assert(sizeof(Stretch) == 2 * sizeof(std::int64_t));
  comm.run(
      comm::AllGather{.y = Tensor(all.data(), {2 * total}, DType::kI64),
                      .x = ConstTensor(mine.data(), {2 * count}, DType::kI64),
                      .counts = words});
  std::vector<std::vector<Stretch>> by_rank;
  auto next = all.begin();
  for (const std::int64_t n : counts) {
    by_rank.emplace_back(next, next + n);
    next += n;
  }
  return by_rank;
}

}  // namespace

TensorGatherer::TensorGatherer(const checkpoint::CheckpointPlan& plan,
                               std::span<const WeightPart> parts,
                               comm::Communicator& comm,
                               Arena& arena)
    : comm_(comm), arena_(arena) {
  place_tensors(plan);
  place_parts(parts);
  plan_ = plan_gather(exchange(comm, held()));
  check_all_given();
}

void TensorGatherer::place_tensors(const checkpoint::CheckpointPlan& plan) {
  for (const auto& file : plan.files) {
    for (const checkpoint::PlacedTensor& tensor : file.layout.tensors) {
      const checkpoint::TensorHeader& header = tensor.header;
      DURE_CHECK(header.dtype == checkpoint::FileDtype::kF32,
                 "tensor ",
                 header.name,
                 " is ",
                 name_of(header.dtype),
                 ", wanted F32");
      const std::int64_t n = checkpoint::elements_of(header.shape, header.name);
      tensors_.emplace(header.name, Stretch{elements_, elements_ + n});
      elements_ += n;
    }
  }
}

void TensorGatherer::place_parts(std::span<const WeightPart> parts) {
  for (const WeightPart& part : parts) {
    const auto found = tensors_.find(part.name);
    DURE_CHECK(found != tensors_.end(),
               "tensor ",
               part.name,
               " is not one of the checkpoint's");
    const Stretch& tensor = found->second;
    const std::int64_t n = elements_within(part, tensor.last - tensor.first);
    if (n > 0) {
      const std::int64_t first = tensor.first + part.offset;
      parts_.push_back(
          {.at = {first, first + n},
           .values =
               part.values.reshaped({part.values.elements()}).rows(0, n)});
    }
  }
  std::sort(parts_.begin(), parts_.end(), [](const auto& a, const auto& b) {
    return a.at.first < b.at.first;
  });
}

// Parts that end with one tensor and begin with the next are said as one, so
// that a rank that has everything says so in one word. Within a tensor they
// stay apart: a message is of one part.
std::vector<Stretch> TensorGatherer::held() const {
  std::vector<std::int64_t> starts;
  for (const auto& [name, tensor] : tensors_) {
    starts.push_back(tensor.first);
  }
  std::sort(starts.begin(), starts.end());
  std::vector<Stretch> held;
  for (const Placed& part : parts_) {
    if (!held.empty() && held.back().last == part.at.first &&
        std::binary_search(starts.begin(), starts.end(), part.at.first)) {
      held.back().last = part.at.last;
    } else {
      held.push_back(part.at);
    }
  }
  return held;
}

void TensorGatherer::check_all_given() const {
  const auto missing = first_missing(plan_, elements_);
  for (const auto& [name, tensor] : tensors_) {
    DURE_CHECK(!missing || *missing < tensor.first || *missing >= tensor.last,
               "no rank has element ",
               *missing - tensor.first,
               " of ",
               name);
  }
}

// A stretch of this rank's, within one part.
Tensor TensorGatherer::own(const Stretch& stretch) const {
  const auto after = std::upper_bound(
      parts_.begin(),
      parts_.end(),
      stretch.first,
      [](std::int64_t at, const Placed& part) { return at < part.at.first; });
  const Placed& part = *std::prev(after);
  return part.values.rows(stretch.first - part.at.first,
                          stretch.last - stretch.first);
}

PieceBytes TensorGatherer::collect(const TensorPiece& piece) {
  const Stretch& tensor = tensors_.at(piece.tensor);
  const std::int64_t first =
      tensor.first + static_cast<std::int64_t>(piece.first / sizeof(float));
  const Stretch wanted = {
      first, first + static_cast<std::int64_t>(piece.bytes / sizeof(float))};
  const std::vector<Given> givers = givers_of(plan_, wanted);
  if (comm_.rank() == 0) {
    return receive(wanted, givers);
  }
  for (const Given& given : givers) {
    if (given.rank == comm_.rank()) {
      comm_.run(comm::Send{.x = own(given.stretch), .to = 0});
    }
  }
  return {};
}

PieceBytes TensorGatherer::receive(const Stretch& wanted,
                                   std::span<const Given> givers) {
  if (givers.front() == Given{wanted, comm_.rank()}) {
    return {.bytes = bytes_of(own(wanted))};
  }
  const auto piece = std::make_shared<OwnedTensor>(
      arena_.tensor({wanted.last - wanted.first}, Category::kCommunication));
  std::vector<comm::Message> messages;
  for (const Given& given : givers) {
    const Tensor there = piece->rows(given.stretch.first - wanted.first,
                                     given.stretch.last - given.stretch.first);
    if (given.rank == comm_.rank()) {
      const Tensor here = own(given.stretch);
      std::memcpy(there.bytes(), here.bytes(), here.size_bytes());
    } else {
      messages.emplace_back(comm::Recv{.y = there, .from = given.rank});
    }
  }
  comm_.start_messages(messages).wait();
  return {.bytes = bytes_of(*piece), .owner = piece};
}

void save_parts(const Path& folder,
                const checkpoint::CheckpointPlan& plan,
                std::span<const WeightPart> parts,
                comm::Communicator& comm,
                Arena& arena) {
  TensorGatherer gatherer(plan, parts, comm, arena);
  const auto collect = [&](const TensorPiece& piece) {
    return gatherer.collect(piece);
  };
  if (comm.rank() == 0) {
    checkpoint::save_checkpoint(folder, plan, collect);
    return;
  }
  for (const TensorPiece& piece : checkpoint::pieces_of(plan)) {
    collect(piece);
  }
}

}  // namespace dure::train
