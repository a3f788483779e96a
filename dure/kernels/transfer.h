// Copies between tensors and host memory, and of rows and columns of tensors.
// On kSim nothing is moved: a host vector keeps its contents.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "dure/kernels/op.h"

namespace dure::kernels {

// y = host
struct Upload {
  static constexpr const char* kName = "upload";
  Tensor y;                         // any shape   overwritten
  std::span<const std::byte> host;  // as many bytes as y

  static void visit(auto& op, auto&& tensors) { tensors(op.y); }
};

void check(const Upload& op);
Cost cost(const Upload& op);
void run(OnCpu, Stream& stream, const Upload& op);
void run(OnCuda, Stream& stream, const Upload& op);

// host = x: the host's read of tensor memory. The data is there after a
// synchronize() of the stream, of which one serves all earlier downloads, and
// until which the host's memory must be there.
struct Download {
  static constexpr const char* kName = "download";
  std::span<std::byte> host;  // as many bytes as x   overwritten
  ConstTensor x;              // any shape

  static void visit(auto& op, auto&& tensors) { tensors(op.x); }
};

void check(const Download& op);
Cost cost(const Download& op);
void run(OnCpu, Stream& stream, const Download& op);
void run(OnCuda, Stream& stream, const Download& op);

// A tensor where the host may read it: in its own memory, which outlives this,
// on the CPU, and on a GPU in a copy.
class OnHost {
 public:
  // Waits for all that was launched on the stream.
  OnHost(Stream& stream, const ConstTensor& x);

  const ConstTensor& tensor() const { return tensor_; }

 private:
  std::vector<std::byte> copy_;
  ConstTensor tensor_;
};

// The last of every n rows: y[i] = x[i n + n - 1].
struct EveryNthRow {
  static constexpr const char* kName = "every_nth_row";
  Tensor y;       // (N, C)     overwritten
  ConstTensor x;  // (N n, C)
  std::int64_t n = 1;

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.x); }
};

void check(const EveryNthRow& op);
Cost cost(const EveryNthRow& op);
void run(OnCpu, Stream& stream, const EveryNthRow& op);
void run(OnCuda, Stream& stream, const EveryNthRow& op);

// Blocks of columns side by side: y[n, t C + c] = x[t, n, c].
struct JoinColumns {
  static constexpr const char* kName = "join_columns";
  Tensor y;       // (N, T C)    overwritten
  ConstTensor x;  // (T, N, C)

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.x); }
};

void check(const JoinColumns& op);
Cost cost(const JoinColumns& op);
void run(OnCpu, Stream& stream, const JoinColumns& op);
void run(OnCuda, Stream& stream, const JoinColumns& op);

}  // namespace dure::kernels
