#include "dure/kernels/transfer.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {
namespace {

void check_bytes(ConstTensor tensor, std::size_t host_bytes) {
  DURE_CHECK(
      tensor.size_bytes() == host_bytes,
      "a tensor of {} bytes can't be exchanged with {} bytes of the host",
      tensor.size_bytes(),
      host_bytes);
}

}  // namespace

void check(const Upload& op) {
  check_bytes(op.y, op.host.size());
}

Cost cost(const Upload& op) {
  return {.bytes = 2 * static_cast<double>(op.host.size())};
}

void check(const Download& op) {
  check_bytes(op.x, op.host.size());
}

Cost cost(const Download& op) {
  return {.bytes = 2 * static_cast<double>(op.host.size())};
}

OnHost::OnHost(Stream& stream, const ConstTensor& x) : tensor_(x) {
  if (stream.device() == Device::kCuda) {
    copy_.resize(x.size_bytes());
    launch(stream, Download{.host = copy_, .x = x});
    tensor_ = ConstTensor(copy_.data(), x.shape(), x.dtype());
  }
  stream.synchronize();
  if (stream.device() != Device::kCuda && stream.order() != nullptr) {
    stream.order()->order()->host_reads(access_of("a read", x));
  }
}

void check(const EveryNthRow& op) {
  const auto [N, C] = op.y.dims<2>("y");
  op.x.expect("x", {N * op.n, C}, op.y.dtype());
}

Cost cost(const EveryNthRow& op) {
  return {.bytes = 2 * bytes_of(op.y)};
}

void check(const JoinColumns& op) {
  const auto [T, N, C] = op.x.dims<3>("x");
  op.x.expect("x", {T, N, C}, op.x.dtype());
  op.y.expect("y", {N, T * C}, op.x.dtype());
}

Cost cost(const JoinColumns& op) {
  return {.bytes = 2 * bytes_of(op.y)};
}

}  // namespace dure::kernels
