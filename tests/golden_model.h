// A golden model (tests/golden/README.md) on one rank, with its tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/mesh/placement.h"
#include "dure/model/weights.h"
#include "dure/parallel/data/visits_testing.h"
#include "dure/tensor/element_type.h"
#include "dure/train/micro_batch.h"

namespace dure {

// The elements of a tensor of f32, bf16 or f16.
inline std::vector<float> to_host(train::Rank& rank, const ConstTensor& x) {
  rank.stream.synchronize();
  return with_float_type(x.dtype(), [&](auto element) {
    std::vector<float> host;
    for (std::int64_t i = 0; i < x.elements(); ++i) {
      host.push_back(to_float(x.data<decltype(element)>()[i]));
    }
    return host;
  });
}

struct GoldenModel {
  explicit GoldenModel(const Path& path, const model::Types& types = {})
      : folder(path),
        rank_model(rank,
                   weights.config(),
                   0,
                   nn::Phase::kTrain,
                   parallel::StoreOptions{},
                   types) {
    train::load_weights(rank, rank_model, weights);
    const std::span<const std::byte> bytes = expected.at("tokens").bytes;
    std::vector<std::int64_t> ids(bytes.size() / sizeof(std::int64_t));
    std::memcpy(ids.data(), bytes.data(), bytes.size());
    tokens.assign(ids.begin(), ids.end());
  }

  train::MicroBatch batch() {
    const checkpoint::Dims& shape = expected.at("tokens").shape;
    train::MicroBatch batch(rank, shape[0], shape[1] - 1);
    batch.load(tokens);
    return batch;
  }

  std::vector<nn::Visit> visits(int micro_batches) const {
    return parallel::visits(rank_model.pipeline().whole_model().last,
                            micro_batches);
  }

  // The logits of the batch, (rows, vocabulary), without the columns that pad
  // it.
  std::vector<float> logits() {
    const train::MicroBatch inputs = batch();
    const std::int64_t columns =
        model::padded_vocabulary(rank_model.config().vocabulary, 1);
    nn::Context ctx = rank.context();
    const OwnedTensor padded =
        ctx.workspace({inputs.rows(), columns}, DType::kF32);
    model::Batch batch_of_logits = inputs.batch();
    batch_of_logits.logits = padded;
    rank_model.stack().run(ctx, {}, batch_of_logits);
    const std::vector<float> all = to_host(rank, padded);
    std::vector<float> result;
    for (auto row = all.begin(); row != all.end(); row += columns) {
      result.insert(result.end(), row, row + weights.config().vocabulary);
    }
    return result;
  }

  // Goes through a micro-batch of the step: forward and backward of d_loss
  // times the sum of the losses.
  void pass(nn::Context& ctx, const train::MicroBatch& inputs, float d_loss) {
    model::Stack::Saved saved;
    const OwnedTensor derivative = train::scalar(rank, d_loss);
    rank_model.stack().forward(ctx, {}, inputs.batch(derivative), saved);
    rank_model.stack().backward(ctx, {}, inputs.batch(), saved);
  }

  // Makes the gradients of `scale` times the mean loss, and returns the losses
  // of the rows.
  std::vector<float> make_gradients(float scale = 1) {
    const train::MicroBatch inputs = batch();
    nn::Context ctx = rank.context();
    rank_model.store().begin_step(visits(1));
    pass(ctx, inputs, scale / static_cast<float>(inputs.rows()));
    rank_model.store().finish_gradients();
    return to_host(rank, inputs.loss());
  }

  // A weight's gradient, with the rows that pad a vocabulary.
  std::vector<float> gradient(const std::string& name) {
    return to_host(rank, rank_model.parameters()[name].gradient);
  }

  // The gradients of a file of the folder, under the weights' names.
  checkpoint::HuggingFaceWeights gradients_of(const char* file) const {
    return {folder, folder / file};
  }

  Path folder;
  checkpoint::SafetensorsFile expected{folder / "expected.safetensors"};
  checkpoint::HuggingFaceWeights weights{folder};
  train::Rank rank{{}};
  train::RankModel rank_model;
  std::vector<std::int32_t> tokens;
};

// Their gradient of a weight, without padding.
inline std::vector<float> gradient_in(
    const checkpoint::HuggingFaceWeights& gradients,
    const model::WeightSpec& spec) {
  std::vector<float> values(
      static_cast<std::size_t>(mesh::elements(spec.logical)));
  gradients.read(spec.name, values);
  return values;
}

}  // namespace dure
