#include "dure/model/kept_block.h"

#include <utility>

#include "dure/model/kept_stream.h"

namespace dure::model {
namespace {

class KeepsAll final : public KeptBlock {
 public:
  void forward(nn::Context& ctx,
               const Block& block,
               Tensor y,
               OwnedTensor x,
               ConstTensor positions,
               std::int64_t samples) override {
    x_nC_ = std::move(x);
    block.forward(ctx, y, x_nC_, positions, samples, saved_);
  }

  void prepare(nn::Context& /*ctx*/) override {}

  void backward(nn::Context& ctx,
                const Block& block,
                Tensor d_nC,
                ConstTensor /*positions*/,
                std::int64_t samples) override {
    block.backward(ctx, d_nC, samples, saved_);
    x_nC_ = OwnedTensor();
  }

 private:
  OwnedTensor x_nC_;
  Block::Saved saved_;
};

class KeepsWhatIsCostly final : public KeptBlock {
 public:
  void forward(nn::Context& ctx,
               const Block& block,
               Tensor y,
               OwnedTensor x,
               ConstTensor positions,
               std::int64_t samples) override {
    x_nC_ = std::move(x);
    block.forward(ctx, y, x_nC_, positions, samples, saved_);
    Block::drop_cheap(saved_);
  }

  void prepare(nn::Context& /*ctx*/) override {}

  void backward(nn::Context& ctx,
                const Block& block,
                Tensor d_nC,
                ConstTensor /*positions*/,
                std::int64_t samples) override {
    block.remake_cheap(ctx, x_nC_, saved_);
    block.backward(ctx, d_nC, samples, saved_);
    x_nC_ = OwnedTensor();
  }

 private:
  OwnedTensor x_nC_;
  Block::Saved saved_;
};

class KeepsItsInput final : public KeptBlock {
 public:
  explicit KeepsItsInput(Checkpoints checkpoints)
      : x_nC_(make_kept_stream(checkpoints)) {}

  void forward(nn::Context& ctx,
               const Block& block,
               Tensor y,
               OwnedTensor x,
               ConstTensor positions,
               std::int64_t samples) override {
    {
      Block::Saved unused;
      block.forward(ctx, y, x, positions, samples, unused);
    }
    first_sample_ = ctx.first_sample;
    x_nC_->keep(ctx, std::move(x));
  }

  void prepare(nn::Context& ctx) override { x_nC_->prepare(ctx); }

  void backward(nn::Context& ctx,
                const Block& block,
                Tensor d_nC,
                ConstTensor positions,
                std::int64_t samples) override {
    nn::Context again = ctx;
    again.first_sample = first_sample_;  // the same dropout
    const OwnedTensor x_nC = x_nC_->take();
    Block::Saved saved;
    block.save(again, x_nC, positions, samples, saved);
    block.backward(ctx, d_nC, samples, saved);
  }

 private:
  std::unique_ptr<KeptStream> x_nC_;
  std::uint64_t first_sample_ = 0;
};

}  // namespace

std::unique_ptr<KeptBlock> make_kept_block(const Keeping& keeping) {
  switch (keeping.recompute) {
    case Recompute::kNone:
      return std::make_unique<KeepsAll>();
    case Recompute::kSelective:
      return std::make_unique<KeepsWhatIsCostly>();
    case Recompute::kFull:
      break;
  }
  return std::make_unique<KeepsItsInput>(keeping.checkpoints);
}

}  // namespace dure::model
