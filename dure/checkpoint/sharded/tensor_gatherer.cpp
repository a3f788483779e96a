#include "dure/checkpoint/sharded/tensor_gatherer.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/host_ranks.h"

namespace dure::train {
namespace {

using checkpoint::PieceBytes;
using checkpoint::TensorPiece;

std::span<const std::byte> bytes_of(ConstTensor x) {
  return {static_cast<const std::byte*>(x.bytes()), x.size_bytes()};
}

// Elements of any type as bytes, for sending.
ConstTensor as_bytes(const ConstTensor& x) {
  return {x.bytes(), {static_cast<std::int64_t>(x.size_bytes())}, DType::kU8};
}

std::int64_t size_of(const ElementRange& stretch) {
  return stretch.last - stretch.first;
}

std::int64_t size_of(const std::vector<ElementRange>& stretches) {
  return std::accumulate(
      stretches.begin(),
      stretches.end(),
      std::int64_t{0},
      [](std::int64_t sum, const ElementRange& s) { return sum + size_of(s); });
}

void copy(const Tensor& to, const ConstTensor& from) {
  std::memcpy(to.bytes(), from.bytes(), from.size_bytes());
}

// Copies stretches that lie one after another in `packed` to their places.
template <typename Place>
void unpack(ConstTensor packed,
            const std::vector<ElementRange>& stretches,
            const Place& place) {
  std::int64_t first = 0;
  for (const ElementRange& stretch : stretches) {
    const Tensor to = place(stretch);
    copy(to, packed.rows(first, to.elements()));
    first += to.elements();
  }
}

std::map<int, std::vector<ElementRange>> by_giver(
    const std::vector<Contribution>& plan) {
  std::map<int, std::vector<ElementRange>> givers;
  for (const Contribution& one : plan) {
    givers[one.rank].push_back(one.range);
  }
  return givers;
}

}  // namespace

TensorGatherer::TensorGatherer(const checkpoint::CheckpointPlan& plan,
                               const Holding& holding,
                               comm::Communicator& comm,
                               Arena& arena)
    : holding_(holding), comm_(comm), arena_(arena) {
  place_tensors(plan);
  place_parts();
  comm::HostRanks ranks(comm);
  for (const Words& words : ranks.gather(words_of(mine()))) {
    holders_.push_back(holder_of(words));
  }
}

// Its place on each axis, and the ranges that it holds.
TensorGatherer::Words TensorGatherer::words_of(const Holder& holder) {
  Words words;
  for (int axis = 0; axis < mesh::kAxes; ++axis) {
    words.push_back(holder.place.part(static_cast<mesh::Axis>(axis)).index);
  }
  for (const ElementRange& stretch : holder.held) {
    words.insert(words.end(), {stretch.first, stretch.last});
  }
  return words;
}

TensorGatherer::Holder TensorGatherer::holder_of(const Words& words) const {
  Holder holder = {.place = holding_.cuts.place()};
  for (int a = 0; a < mesh::kAxes; ++a) {
    const auto axis = static_cast<mesh::Axis>(a);
    holder.place =
        holder.place.with(axis, {words[a], holder.place.part(axis).count});
  }
  for (std::size_t i = mesh::kAxes; i < words.size(); i += 2) {
    holder.held.push_back({words[i], words[i + 1]});
  }
  return holder;
}

void TensorGatherer::place_tensors(const checkpoint::CheckpointPlan& plan) {
  for (const auto& file : plan.files) {
    for (const checkpoint::PlacedTensor& tensor : file.layout.tensors) {
      const checkpoint::TensorHeader& header = tensor.header;
      const GatheredTensor placed = {
          .weight = &holding_.cuts.weight(header.name),
          .mine = holding_.cuts.local(header.name),
          .first = elements_,
          .dtype = header.dtype};
      tensors_.emplace(header.name, placed);
      elements_ += placed.mine.elements();
      for (const TensorPiece& piece : checkpoint::pieces_of(tensor)) {
        largest_piece_ =
            std::max(largest_piece_, static_cast<std::int64_t>(piece.bytes));
      }
    }
  }
}

void TensorGatherer::place_parts() {
  for (const OwnedPart& part : holding_.parts) {
    const auto found = tensors_.find(part.name);
    DURE_CHECK(found != tensors_.end(),
               "tensor {} is not one of the checkpoint's",
               part.name);
    const GatheredTensor& tensor = found->second;
    DURE_CHECK(checkpoint::file_dtype(part.dtype) == tensor.dtype,
               "tensor {} is {} here, but {} in the checkpoint",
               part.name,
               name_of(part.dtype),
               name_of(tensor.dtype));
    const std::int64_t offset = part.slice.offset;
    const std::int64_t n = part.slice.elements;
    DURE_CHECK(offset >= 0 && offset + n <= tensor.mine.elements(),
               "elements {} to {} are not of this rank's part of {}, of {}",
               offset,
               offset + n,
               part.name,
               tensor.mine.elements());
    const std::int64_t first = tensor.first + offset;
    parts_.push_back({.at = {first, first + n}, .part = &part});
  }
  std::sort(parts_.begin(), parts_.end(), [](const auto& a, const auto& b) {
    return a.at.first < b.at.first;
  });
}

// Neighbouring parts are merged into one range, so a rank that has everything
// sends a single range.
TensorGatherer::Holder TensorGatherer::mine() const {
  Holder me = {.place = holding_.cuts.place()};
  for (const PlacedPart& part : parts_) {
    if (!me.held.empty() && me.held.back().last == part.at.first) {
      me.held.back().last = part.at.last;
    } else {
      me.held.push_back(part.at);
    }
  }
  return me;
}

TensorGatherer::ElementRanges TensorGatherer::held_by(
    const Holder& holder,
    const GatheredTensor& tensor,
    const ElementRange& wanted) const {
  const mesh::LocalPart part(
      tensor.weight->shape, tensor.weight->placement, holder.place);
  const ElementRange there = {tensor.first + part.before(wanted.first),
                              tensor.first + part.before(wanted.last)};
  auto held = std::partition_point(
      holder.held.begin(), holder.held.end(), [&](const ElementRange& stretch) {
        return stretch.last <= there.first;
      });
  ElementRanges stretches;
  for (; held != holder.held.end() && held->first < there.last; ++held) {
    const ElementRange some = common(*held, there);
    for (const mesh::Stretch& stretch :
         part.stretches(some.first - tensor.first, size_of(some))) {
      stretches.push_back({stretch.global, stretch.global + stretch.length});
    }
  }
  return stretches;
}

// The pieces of parts that this rank has of a stretch.
std::vector<TensorGatherer::PlacedPart> TensorGatherer::own(
    const GatheredTensor& tensor, const ElementRange& stretch) const {
  const std::int64_t first = tensor.first + tensor.mine.before(stretch.first);
  const ElementRange wanted = {first, first + size_of(stretch)};
  auto part = std::partition_point(
      parts_.begin(), parts_.end(), [&](const PlacedPart& placed) {
        return placed.at.last <= wanted.first;
      });
  std::vector<PlacedPart> some;
  for (; part != parts_.end() && part->at.first < wanted.last; ++part) {
    some.push_back({.at = common(part->at, wanted), .part = part->part});
  }
  return some;
}

// Acquires the bytes of a piece of a part.
PartInUse TensorGatherer::acquire(const GatheredTensor& tensor,
                                  const PlacedPart& some) const {
  PartInUse part = holding_.acquire(*some.part);
  assert(part.values.elements() == some.part->slice.elements);
  assert(part.values.dtype() == some.part->dtype);
  const std::int64_t first =
      some.at.first - tensor.first - some.part->slice.offset;
  part.values = as_bytes(part.values.rows(first, size_of(some.at)));
  return part;
}

void TensorGatherer::copy_own(const GatheredTensor& tensor,
                              const ElementRange& stretch,
                              const Tensor& to) const {
  std::int64_t first = 0;
  for (const PlacedPart& some : own(tensor, stretch)) {
    const PartInUse part = acquire(tensor, some);
    copy(to.rows(first, part.values.elements()), part.values);
    first += part.values.elements();
  }
}

std::int64_t TensorGatherer::bytes_in(const GatheredTensor& tensor,
                                      std::int64_t elements) {
  return elements * static_cast<std::int64_t>(size_of(tensor.dtype));
}

// Memory for the packed part of one piece. It stays allocated, so that pieces,
// which come and go, need not find room around it.
Tensor TensorGatherer::staging(std::int64_t first, std::int64_t bytes) {
  if (!staging_) {
    staging_ =
        arena_.tensor({largest_piece_}, Category::kCommunication, DType::kU8);
  }
  return staging_->rows(first, bytes);
}

PieceBytes TensorGatherer::collect(const TensorPiece& piece) {
  const GatheredTensor& tensor = tensors_.at(piece.tensor);
  const std::size_t element_bytes = size_of(tensor.dtype);
  const auto first = static_cast<std::int64_t>(piece.first / element_bytes);
  const auto count = static_cast<std::int64_t>(piece.bytes / element_bytes);
  const ElementRange wanted = {first, first + count};
  const GatherPlan plan = plan_gather(wanted, comm_.size(), [&](int rank) {
    return held_by(holders_[rank], tensor, wanted);
  });
  DURE_CHECK(plan.missing.empty(),
             "no rank has element {} of {}",
             plan.missing.front().first,
             piece.tensor);
  const auto givers = by_giver(plan.contributions);
  if (comm_.rank() == 0) {
    return receive(tensor, wanted, givers);
  }
  const auto me = givers.find(comm_.rank());
  if (me != givers.end()) {
    send(tensor, me->second);
  }
  return {};
}

void TensorGatherer::send(const GatheredTensor& tensor,
                          const ElementRanges& given) {
  const std::vector<PlacedPart> first = own(tensor, given.front());
  if (given.size() == 1 && first.size() == 1) {
    const PartInUse part = acquire(tensor, first.front());
    comm_.run(arena_.home(), comm::Send{.x = part.values, .to = 0});
    return;
  }
  const Tensor packed = staging(0, bytes_in(tensor, size_of(given)));
  std::int64_t at = 0;
  for (const ElementRange& stretch : given) {
    const std::int64_t bytes = bytes_in(tensor, size_of(stretch));
    copy_own(tensor, stretch, packed.rows(at, bytes));
    at += bytes;
  }
  comm_.run(arena_.home(), comm::Send{.x = packed, .to = 0});
}

PieceBytes TensorGatherer::receive(const GatheredTensor& tensor,
                                   const ElementRange& wanted,
                                   const std::map<int, ElementRanges>& givers) {
  const auto& [lowest, first] = *givers.begin();
  if (lowest == comm_.rank() && first == ElementRanges{wanted}) {
    const std::vector<PlacedPart> whole = own(tensor, wanted);
    if (whole.size() == 1) {
      PartInUse part = acquire(tensor, whole.front());
      return {.bytes = bytes_of(part.values), .owner = std::move(part.owner)};
    }
  }
  const auto piece = std::make_shared<OwnedTensor>(
      arena_.tensor({bytes_in(tensor, size_of(wanted))},
                    Category::kCommunication,
                    DType::kU8));
  const auto place = [&](const ElementRange& stretch) {
    return piece->rows(bytes_in(tensor, stretch.first - wanted.first),
                       bytes_in(tensor, size_of(stretch)));
  };
  std::vector<comm::Message> messages;
  std::vector<std::pair<const ElementRanges*, Tensor>> packed;
  std::int64_t staged = 0;
  for (const auto& [rank, given] : givers) {
    if (rank == comm_.rank()) {
      continue;
    }
    if (given.size() == 1) {
      messages.emplace_back(
          comm::Recv{.y = place(given.front()), .from = rank});
      continue;
    }
    const std::int64_t bytes = bytes_in(tensor, size_of(given));
    packed.emplace_back(&given, staging(staged, bytes));
    staged += bytes;
    messages.emplace_back(comm::Recv{.y = packed.back().second, .from = rank});
  }
  comm::Work coming = comm_.start_messages(arena_.home(), messages);
  if (lowest == comm_.rank()) {
    for (const ElementRange& stretch : first) {
      copy_own(tensor, stretch, place(stretch));
    }
  }
  coming.wait(arena_.home());
  for (const auto& [given, values] : packed) {
    unpack(values, *given, place);
  }
  return {.bytes = bytes_of(*piece), .owner = piece};
}

void save_parts(const Path& folder,
                const checkpoint::CheckpointPlan& plan,
                const Holding& holding,
                comm::Communicator& comm,
                Arena& arena) {
  TensorGatherer gatherer(plan, holding, comm, arena);
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
