// Where the pieces of a collective are while a plan is carried out.
//
// A piece stays in x until it is touched. Then it has a place: in y if y has
// all pieces (or it is the only one), else in the scratch memory. Partial sums
// of 16-bit floats are f32 and have places of their own. Data that will be
// reduced waits in the scratch memory until its round is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dure/comm/algorithm/plan.h"
#include "dure/tensor/tensor.h"

namespace dure::comm {

class PlanMemory {
 public:
  // `request` is of the plan's kind; it outlives this. Throws Unsupported if
  // the plan needs counts that this rank does not know.
  PlanMemory(const Plan& plan, const Request& request);

  std::size_t scratch_bytes() const { return scratch_bytes_; }
  // Takes scratch_bytes() bytes, 64-byte aligned, before the calls below.
  void set_scratch(std::span<std::byte> scratch) { scratch_ = scratch; }

  std::int64_t elements(Pieces pieces) const;
  // Whether partial sums have another type, f32, than x and y.
  bool is_wide() const { return wide_; }
  DType partial_type() const { return wide_ ? DType::kF32 : dtype_; }

  ConstTensor given(Pieces pieces) const;  // in x
  Tensor place(Pieces pieces) const;
  bool has_place(Pieces pieces) const;
  Tensor sum(Pieces pieces) const;        // of partial_type()
  Tensor in_output(Pieces pieces) const;  // which has them

  // Where all_to_all puts the data of `peer`.
  Tensor from_peer(int peer) const;

  // Where to receive `elements` of a round's summands: at `offset` bytes, which
  // it advances.
  Tensor arrival(std::int64_t elements, DType dtype, std::size_t& offset) const;

  // Copies x out of the way of y, for all_to_all in place.
  void save_input();

 private:
  enum class Home : std::uint8_t { kOutput, kScratch };

  void find_places(const Plan& plan);
  void lay_out(const Plan& plan);
  std::size_t arrival_bytes(const Plan& plan) const;
  std::size_t bytes_of(Pieces pieces, DType dtype) const;
  Tensor scratch_at(std::size_t offset,
                    Pieces hull,
                    Pieces pieces,
                    DType dtype) const;

  const Request& request_;
  Kind kind_;
  Pieces own_;
  DType dtype_;
  bool wide_ = false;
  Counts offsets_;    // where pieces begin in the whole
  Counts y_offsets_;  // of all_to_all
  Pieces places_ = {};
  Pieces sums_ = {};
  Home home_ = Home::kScratch;
  std::size_t sums_at_ = 0;  // in the scratch memory, after the places
  std::size_t arrivals_at_ = 0;
  std::size_t scratch_bytes_ = 0;
  std::span<std::byte> scratch_;
  ConstTensor input_;
};

}  // namespace dure::comm
