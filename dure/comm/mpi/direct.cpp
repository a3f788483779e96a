// Collectives by MPI's own non-blocking ones.
//
// MPI knows no 16-bit floating-point numbers and promises no order of sums. So
// a reduction of such numbers, or in ranked order, exchanges parts: every rank
// gets all contributions to its own part and adds them up in the order of the
// ranks (comm/algorithm/reduce.h), and the parts are gathered. The traffic is a
// ring's.
#include <deque>
#include <functional>
#include <utility>

#include "dure/comm/algorithm/reduce.h"
#include "dure/comm/mpi/mpi_types.h"
#include "dure/comm/mpi/procedure.h"

namespace dure::comm {
namespace {

// A pointer to element `first` of a tensor.
void* address(const Tensor& tensor, std::int64_t first) {
  return static_cast<std::byte*>(tensor.bytes()) +
         first * static_cast<std::int64_t>(size_of(tensor.dtype()));
}

Tensor stretch(const Tensor& tensor, std::int64_t first, std::int64_t count) {
  return {address(tensor, first), Shape{count}, tensor.dtype()};
}

// Whether MPI's reductions can't be used.
bool goes_by_parts(const Request& request) {
  return request.how.sums == SumOrder::kRanked || is_half(request.dtype());
}

class Direct final : public Procedure {
 public:
  Direct(const Request& request, Channel& channel)
      : request_(request),
        x_(request.input),
        y_(request.output),
        comm_(channel.data),
        scratch_(channel.scratch),
        me_(static_cast<std::size_t>(channel.rank)),
        ranks_(channel.size()),
        at_root_(channel.rank == request.root),
        type_(mpi_type(request.dtype())) {
    plan();
  }

  bool advance() override {
    while (true) {
      if (current_ != MPI_REQUEST_NULL) {
        int done = 0;
        DURE_MPI(MPI_Test(&current_, &done, MPI_STATUS_IGNORE));
        if (done == 0) {
          return false;
        }
      }
      if (steps_.empty()) {
        return true;
      }
      const std::function<void()> step = std::move(steps_.front());
      steps_.pop_front();
      step();
    }
  }

  // MPI can't cancel its collectives.
  void abandon() noexcept override {}

 private:
  void plan();
  void plan_reduction();
  void plan_by_parts();
  void plan_reduce_scatter();

  // Each function posts one collective of MPI.
  void reduce();
  void scatter();
  void gather(const void* x, const Counts& parts);
  void gather_all(const void* x, const Counts& parts);
  void exchange(const Counts& give, const Tensor& y, const Counts& take);

  void then(std::function<void()> step) { steps_.push_back(std::move(step)); }
  Tensor scratch(std::int64_t elements);

  const Request& request_;
  const ConstTensor x_;
  const Tensor y_;
  MPI_Comm comm_;
  Scratch& scratch_;
  std::size_t scratches_ = 0;
  std::size_t me_;
  int ranks_;
  bool at_root_;
  MPI_Datatype type_;
  std::deque<std::function<void()>> steps_;
  MPI_Request current_ = MPI_REQUEST_NULL;
  // MPI reads and writes these until it is done.
  Layout give_;
  Layout take_;
};

Tensor Direct::scratch(std::int64_t elements) {
  const std::size_t bytes =
      static_cast<std::size_t>(elements) * size_of(request_.dtype());
  return {
      scratch_.buffer(scratches_++, bytes), Shape{elements}, request_.dtype()};
}

void Direct::plan() {
  switch (request_.kind) {
    case Kind::kBroadcast:
      return then([this] {
        DURE_MPI(MPI_Ibcast(y_.bytes(),
                            as_int(y_.elements()),
                            type_,
                            request_.root,
                            comm_,
                            &current_));
      });
    case Kind::kReduce:
    case Kind::kAllReduce:
    case Kind::kReduceScatter:
      return goes_by_parts(request_) ? plan_by_parts() : plan_reduction();
    case Kind::kScatter:
      return then([this] { scatter(); });
    case Kind::kGather:
      return then([this] { gather(x_.bytes(), request_.counts); });
    case Kind::kAllGather:
      return then([this] { gather_all(x_.bytes(), request_.counts); });
    case Kind::kAllToAll:
      return then([this] { exchange(request_.counts, y_, request_.y_counts); });
    default:
      return then([this] { DURE_MPI(MPI_Ibarrier(comm_, &current_)); });
  }
}

void Direct::plan_reduction() {
  if (request_.kind == Kind::kReduceScatter) {
    plan_reduce_scatter();
  } else {
    then([this] { reduce(); });
  }
  if (request_.reduction == Reduction::kAverage && y_) {
    then([this] { divide(y_, ranks_); });
  }
}

// Reduces to scratch memory, because y may be a part of x.
void Direct::plan_reduce_scatter() {
  const Tensor result = scratch(y_.elements());
  then([this, result] {
    give_ = layout_of(request_.counts);
    DURE_MPI(MPI_Ireduce_scatter(x_.bytes(),
                                 result.bytes(),
                                 give_.counts.data(),
                                 type_,
                                 mpi_op(request_.reduction),
                                 comm_,
                                 &current_));
  });
  then([this, result] { convert(y_, result); });
}

void Direct::plan_by_parts() {
  const bool scatters = request_.kind == Kind::kReduceScatter;
  const Counts parts =
      scatters ? request_.counts : even_counts(x_.elements(), ranks_);
  const std::int64_t mine = parts[me_];
  const Tensor all = scratch(mine * ranks_);
  const Tensor sum = scatters ? y_ : scratch(mine);
  then([=, this] {
    exchange(parts, all, Counts(static_cast<std::size_t>(ranks_), mine));
  });
  then([=, this] {
    std::vector<ConstTensor> xs;
    for (int rank = 0; rank < ranks_; ++rank) {
      xs.push_back(stretch(all, rank * mine, mine));
    }
    reduce_all({&sum, 1}, xs, request_.reduction, {0, mine});
  });
  if (request_.kind == Kind::kReduce) {
    then([=, this] { gather(sum.bytes(), parts); });
  } else if (request_.kind == Kind::kAllReduce) {
    then([=, this] { gather_all(sum.bytes(), parts); });
  }
}

void Direct::reduce() {
  const bool all = request_.kind == Kind::kAllReduce;
  const bool in_place = (all || at_root_) && x_.bytes() == y_.bytes();
  const void* const x = in_place ? MPI_IN_PLACE : x_.bytes();
  const int count = as_int(x_.elements());
  const MPI_Op op = mpi_op(request_.reduction);
  DURE_MPI(
      all ? MPI_Iallreduce(x, y_.bytes(), count, type_, op, comm_, &current_)
          : MPI_Ireduce(x,
                        y_.bytes(),
                        count,
                        type_,
                        op,
                        request_.root,
                        comm_,
                        &current_));
}

void Direct::scatter() {
  void* y = y_.bytes();
  if (at_root_) {
    give_ = layout_of(request_.counts);
    if (y == x_.bytes()) {  // alone, or nobody else gets anything
      y = MPI_IN_PLACE;
    }
  }
  DURE_MPI(MPI_Iscatterv(x_.bytes(),
                         give_.counts.data(),
                         give_.offsets.data(),
                         type_,
                         y,
                         as_int(y_.elements()),
                         type_,
                         request_.root,
                         comm_,
                         &current_));
}

void Direct::gather(const void* x, const Counts& parts) {
  const std::int64_t mine = parts.empty() ? x_.elements() : parts[me_];
  if (at_root_) {
    take_ = layout_of(parts);
    if (x == address(y_, take_.offsets[me_])) {
      x = MPI_IN_PLACE;
    }
  }
  DURE_MPI(MPI_Igatherv(x,
                        as_int(mine),
                        type_,
                        y_.bytes(),
                        take_.counts.data(),
                        take_.offsets.data(),
                        type_,
                        request_.root,
                        comm_,
                        &current_));
}

void Direct::gather_all(const void* x, const Counts& parts) {
  take_ = layout_of(parts);
  if (x == address(y_, take_.offsets[me_])) {
    x = MPI_IN_PLACE;
  }
  DURE_MPI(MPI_Iallgatherv(x,
                           take_.counts[me_],
                           type_,
                           y_.bytes(),
                           take_.counts.data(),
                           take_.offsets.data(),
                           type_,
                           comm_,
                           &current_));
}

void Direct::exchange(const Counts& give, const Tensor& y, const Counts& take) {
  give_ = layout_of(give);
  take_ = layout_of(take);
  const void* x = x_.bytes();
  if (x == y.bytes()) {
    const Tensor copy = scratch(x_.elements());
    convert(copy, x_);
    x = copy.bytes();
  }
  DURE_MPI(MPI_Ialltoallv(x,
                          give_.counts.data(),
                          give_.offsets.data(),
                          type_,
                          y.bytes(),
                          take_.counts.data(),
                          take_.offsets.data(),
                          type_,
                          comm_,
                          &current_));
}

}  // namespace

std::unique_ptr<Procedure> make_direct(const Request& request,
                                       Channel& channel) {
  return std::make_unique<Direct>(request, channel);
}

}  // namespace dure::comm
