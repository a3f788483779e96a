#include "dure/model/saved_block.h"

#include <utility>

#include "dure/model/saved_stream.h"

namespace dure::model {
namespace {

class KeepsAll : public SavedBlock {
 public:
  void forward(nn::Context& ctx, const Block& block, Forward op) override {
    x_nC_ = std::move(op.x);
    block.forward(
        ctx, {.y = op.y, .x = x_nC_, .sequences = op.sequences}, saved_);
  }

  void backward(nn::Context& ctx,
                const Block& block,
                Tensor d_nC,
                const nn::Sequences& sequences) override {
    block.backward(
        ctx, {.d_nC = d_nC, .x = x_nC_, .sequences = sequences}, saved_);
    x_nC_ = OwnedTensor();
  }

  void for_each_buffer(const nn::BufferVisitor& visit) override {
    nn::visit_buffers({&x_nC_}, visit);
    model::for_each_buffer(saved_, visit);
  }

 protected:
  OwnedTensor x_nC_;
  Block::Saved saved_;
};

class KeepsWhatIsCostly final : public KeepsAll {
 public:
  void forward(nn::Context& ctx, const Block& block, Forward op) override {
    KeepsAll::forward(ctx, block, std::move(op));
    Block::drop_cheap(saved_);
  }

  void backward(nn::Context& ctx,
                const Block& block,
                Tensor d_nC,
                const nn::Sequences& sequences) override {
    block.remake_cheap(ctx, x_nC_, saved_);
    KeepsAll::backward(ctx, block, d_nC, sequences);
  }
};

class KeepsItsInput final : public SavedBlock {
 public:
  explicit KeepsItsInput(CheckpointedInputs checkpoints)
      : x_nC_(make_saved_stream(checkpoints)) {}

  void forward(nn::Context& ctx, const Block& block, Forward op) override {
    {
      Block::Saved unused;
      block.forward(
          ctx, {.y = op.y, .x = op.x, .sequences = op.sequences}, unused);
    }
    x_nC_->keep(ctx, std::move(op.x));
  }

  void prepare(nn::Context& ctx) override { x_nC_->prepare(ctx); }

  void backward(nn::Context& ctx,
                const Block& block,
                Tensor d_nC,
                const nn::Sequences& sequences) override {
    const OwnedTensor x_nC = x_nC_->take();
    Block::Saved saved;
    block.save(ctx, x_nC, sequences, saved);
    block.backward(
        ctx, {.d_nC = d_nC, .x = x_nC, .sequences = sequences}, saved);
  }

  void for_each_buffer(const nn::BufferVisitor& visit) override {
    x_nC_->for_each_buffer(visit);
  }

 private:
  std::unique_ptr<SavedStream> x_nC_;
};

}  // namespace

std::unique_ptr<SavedBlock> make_saved_block(
    const ActivationPolicy& activation_policy) {
  switch (activation_policy.recompute) {
    case Recompute::kNone:
      return std::make_unique<KeepsAll>();
    case Recompute::kSelective:
      return std::make_unique<KeepsWhatIsCostly>();
    case Recompute::kFull:
      break;
  }
  return std::make_unique<KeepsItsInput>(activation_policy.checkpoints);
}

}  // namespace dure::model
