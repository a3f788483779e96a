#include "dure/model/saved_stream.h"

#include <utility>

#include "dure/comm/traced_work.h"
#include "dure/kernels/elementwise.h"

namespace dure::model {
namespace {

class WholeStream final : public SavedStream {
 public:
  void keep(nn::Context& /*ctx*/, OwnedTensor stream) override {
    stream_nC_ = std::move(stream);
  }
  void prepare(nn::Context& /*ctx*/) override {}
  OwnedTensor take() override { return std::move(stream_nC_); }
  void for_each_buffer(const nn::BufferVisitor& visit) override {
    nn::visit_buffers({&stream_nC_}, visit);
  }

 private:
  OwnedTensor stream_nC_;
};

class PartOfStream final : public SavedStream {
 public:
  void keep(nn::Context& ctx, OwnedTensor stream) override {
    const comm::Communicator& ranks = *ctx.tensor.ranks;
    const auto [N, C] = stream.dims<2>("stream");
    shape_ = stream.shape();
    comm::Counts rows = comm::even_counts(N, ranks.size());
    const std::int64_t first = comm::offset_of(rows, ranks.rank());
    const std::int64_t own = rows[ranks.rank()];
    part_ = ctx.activation({own, C}, stream.dtype());
    launch(ctx.stream, kernels::Copy{.y = part_, .x = stream.rows(first, own)});
    for (std::int64_t& count : rows) {
      count *= C;
    }
    counts_ = std::move(rows);
  }

  void prepare(nn::Context& ctx) override {
    whole_NC_ = ctx.activation(shape_, part_.dtype());
    work_ = comm::TracedWork(
        ctx.stream,
        *ctx.tensor.ranks,
        "all_gather checkpoint",
        comm::AllGather{.y = whole_NC_, .x = part_, .counts = counts_});
    whole_NC_.used_until(work_.event());
    part_.used_until(work_.event());
  }

  OwnedTensor take() override {
    work_.wait();
    part_ = OwnedTensor();
    return std::move(whole_NC_);
  }

  void for_each_buffer(const nn::BufferVisitor& visit) override {
    nn::visit_buffers({&part_}, visit);
  }

 private:
  Shape shape_{0};
  comm::Counts counts_;  // elements, by rank
  OwnedTensor part_;     // this rank's rows
  OwnedTensor whole_NC_;
  comm::TracedWork work_;
};

}  // namespace

std::unique_ptr<SavedStream> make_saved_stream(CheckpointedInputs checkpoints) {
  if (checkpoints == CheckpointedInputs::kParts) {
    return std::make_unique<PartOfStream>();
  }
  return std::make_unique<WholeStream>();
}

}  // namespace dure::model
