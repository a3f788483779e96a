#include "dure/kernels/cuda/launch.cuh"
#include "dure/kernels/transfer.h"

namespace dure::kernels {
namespace {

std::byte* first_byte(const ConstTensor& x) {
  return static_cast<std::byte*>(const_cast<void*>(x.bytes()));
}

// Rows of so many bytes, from one row in so many to another.
struct Rows {
  std::size_t width;
  std::size_t count;
  std::size_t from_pitch;
  std::size_t to_pitch;
};

void copy_rows(Stream& stream,
               const Rows& rows,
               const std::byte* from,
               std::byte* to) {
  if (rows.width > 0 && rows.count > 0) {
    DURE_CUDA(cudaMemcpy2DAsync(to,
                                rows.to_pitch,
                                from,
                                rows.from_pitch,
                                rows.width,
                                rows.count,
                                cudaMemcpyDeviceToDevice,
                                stream_of(stream)));
  }
}

}  // namespace

void run(OnCuda, Stream& stream, const Upload& op) {
  cuda_queue(stream.queue()).staging().upload(op.y.bytes(), op.host);
}

void run(OnCuda, Stream& stream, const Download& op) {
  cuda_queue(stream.queue()).staging().download(op.host, op.x.bytes());
}

void run(OnCuda, Stream& stream, const EveryNthRow& op) {
  const auto [N, C] = op.y.dims<2>("y");
  const auto n = static_cast<std::size_t>(op.n);
  const std::size_t width = static_cast<std::size_t>(C) * size_of(op.y.dtype());
  copy_rows(stream,
            {.width = width,
             .count = static_cast<std::size_t>(N),
             .from_pitch = width * n,
             .to_pitch = width},
            first_byte(op.x) + (n - 1) * width,
            first_byte(op.y));
}

void run(OnCuda, Stream& stream, const JoinColumns& op) {
  const auto [T, N, C] = op.x.dims<3>("x");
  const std::size_t width = static_cast<std::size_t>(C) * size_of(op.x.dtype());
  for (std::int64_t t = 0; t < T; ++t) {
    const auto at = static_cast<std::size_t>(t);
    copy_rows(stream,
              {.width = width,
               .count = static_cast<std::size_t>(N),
               .from_pitch = width,
               .to_pitch = width * static_cast<std::size_t>(T)},
              first_byte(op.x) + at * static_cast<std::size_t>(N) * width,
              first_byte(op.y) + at * width);
  }
}

}  // namespace dure::kernels
