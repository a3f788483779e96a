// The operations of dure/kernels as problems to time: a line names one and
// gives its sizes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dure/kernels/op.h"
#include "dure/kernels/transfer.h"
#include "dure/kernels/update.h"
#include "dure/roofline/device_time.h"
#include "dure/tensor/arena.h"

namespace dure::roofline {

// "layer_norm rows=1024 columns=768".
struct ProblemLine {
  std::string operation;
  std::map<std::string, double> sizes;

  // Throws Error if there is no such size.
  std::int64_t operator[](const std::string& key) const;
  // "rows 1024 columns 768"
  std::string describe() const;
};

// Throws Error if the text is no such line.
ProblemLine parse_line(const std::string& text);

// The lines of a list of problems: one each, # begins a comment. Throws Error
// that names the line.
std::vector<ProblemLine> parse_lines(const std::string& text,
                                     const std::string& name);

// Operands, drawn once, and the launch of one operation on them. They have the
// type of a model's operands there; statistics, logits, gradients of weights,
// masters and states are f32.
class Problem {
 public:
  // Throws Error if there is no operation of that name, or a size is missing.
  Problem(const ProblemLine& line, Device device, DType type);

  // The seconds of so many launches, by the clock of the device.
  double seconds(int calls) {
    return seconds_of(stream_, [&] {
      for (int i = 0; i < calls; ++i) {
        launch_();
      }
    });
  }

  kernels::Cost cost() const { return cost_; }
  Stream& stream() { return stream_; }
  // Whether an operand has the type that was asked for.
  bool has_type() const { return has_type_; }

 private:
  using Builder = void (*)(Problem&, const ProblemLine&);

  Tensor normal(const Shape& shape) {
    has_type_ = true;
    return drawn(shape, type_);
  }
  Tensor f32(const Shape& shape) {
    has_type_ = has_type_ || type_ == DType::kF32;
    return drawn(shape, DType::kF32);
  }
  Tensor drawn(const Shape& shape, DType type);
  Tensor ones(const Shape& shape);
  Tensor room(const Shape& shape, DType type) {
    tensors_.push_back(arena_.tensor(shape, Category::kWorkspace, type));
    return tensors_.back();
  }
  template <typename Integer>
  Tensor integers(std::int64_t count,
                  DType type,
                  const std::function<std::int64_t(std::int64_t)>& f) {
    std::vector<Integer> values(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      values[static_cast<std::size_t>(i)] = static_cast<Integer>(f(i));
    }
    const Tensor y = room({count}, type);
    kernels::launch(
        stream_,
        kernels::Upload{.y = y, .host = std::as_bytes(std::span(values))});
    stream_.synchronize();
    return y;
  }
  Tensor i32(std::int64_t count,
             const std::function<std::int64_t(std::int64_t)>& f) {
    return integers<std::int32_t>(count, DType::kI32, f);
  }
  Tensor i64_zeros(std::int64_t count) {
    return integers<std::int64_t>(
        count, DType::kI64, [](std::int64_t) { return 0; });
  }
  template <typename Op>
  void set(const Op& op);

  static void norms(Problem& p, const ProblemLine& line);
  static void activations(Problem& p, const ProblemLine& line);
  static void embeddings(Problem& p, const ProblemLine& line);
  static void losses(Problem& p, const ProblemLine& line);
  static void products(Problem& p, const ProblemLine& line);
  static void elements(Problem& p, const ProblemLine& line);
  static void attentions(Problem& p, const ProblemLine& line);
  static void cached_attention(Problem& p, const ProblemLine& line);
  static void rope(Problem& p, const ProblemLine& line);
  static void updates(Problem& p, const ProblemLine& line);

  static const std::map<std::string, Builder>& builders();

  DType type_;
  bool has_type_ = false;
  Stream stream_;
  Arena arena_{stream_};
  std::vector<OwnedTensor> tensors_;
  std::vector<kernels::UpdateSpan> update_spans_;
  std::vector<ConstTensor> spans_;
  kernels::Cost cost_;
  std::function<void()> launch_;
};

}  // namespace dure::roofline
