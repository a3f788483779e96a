// Launches an operation of a test on a GPU: its tensors are copied there, and
// back.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dure/kernels/attention.h"
#include "dure/kernels/transfer.h"
#include "dure/kernels/update.h"
#include "dure/tensor/arena.h"

namespace dure::kernels {

inline bool tests_cuda() {
  const char* const device = std::getenv("DURE_TEST_DEVICE");
  return device != nullptr && std::string_view(device) == "cuda";
}

// The device's copies of host memory that an operation's tensors view.
class DeviceCopies {
 public:
  explicit DeviceCopies(Arena& arena) : arena_(arena) {}

  // Notes the memory of a tensor. Tensors may overlap, or touch: an empty one
  // is at the end of another.
  void add(const ConstTensor& x, bool is_written) {
    auto* const first = static_cast<std::byte*>(const_cast<void*>(x.bytes()));
    Piece piece = {.first = first,
                   .last = first + x.size_bytes(),
                   .is_written = is_written,
                   .device = {}};
    std::erase_if(pieces_, [&](const Piece& other) {
      const bool touches =
          other.first <= piece.last && piece.first <= other.last;
      if (touches) {
        piece.first = std::min(piece.first, other.first);
        piece.last = std::max(piece.last, other.last);
        piece.is_written = piece.is_written || other.is_written;
      }
      return touches;
    });
    pieces_.push_back(std::move(piece));
  }

  void upload() {
    for (Piece& piece : pieces_) {
      piece.device = arena_.tensor(
          {piece.last - piece.first}, Category::kWorkspace, DType::kU8);
      launch(arena_.home(),
             Upload{.y = piece.device, .host = {piece.first, piece.last}});
    }
  }

  // The address on the device of a byte of the host.
  void* at(const void* host) const {
    const auto* const byte = static_cast<const std::byte*>(host);
    const auto piece =
        std::ranges::find_if(pieces_, [&](const Piece& candidate) {
          return candidate.first <= byte && byte <= candidate.last;
        });
    return static_cast<std::byte*>(piece->device.bytes()) +
           (byte - piece->first);
  }

  void download() {
    for (const Piece& piece : pieces_) {
      if (piece.is_written) {
        launch(arena_.home(),
               Download{.host = {piece.first, piece.last}, .x = piece.device});
      }
    }
  }

 private:
  struct Piece {
    std::byte* first;
    std::byte* last;
    bool is_written;
    OwnedTensor device;
  };

  Arena& arena_;
  std::vector<Piece> pieces_;
};

// The stream of all launches of a test program. It is never destroyed: CUDA's
// runtime may be gone when the program ends.
struct TestedDevice {
  // cuDNN rounds where the kernels do not; its tests ask for it.
  TestedDevice() { attention_by(stream) = AttentionBy::kKernels; }

  Stream stream{Device::kCuda};
  Arena arena{stream};
};
inline TestedDevice& tested_device() {
  static auto* const device = new TestedDevice;
  return *device;
}

// Spans of an operation, copied so that their tensors can be replaced.
template <typename Op>
auto own_spans(Op& op) {
  if constexpr (requires { op.spans; }) {
    using Span = std::remove_const_t<typename decltype(op.spans)::element_type>;
    auto spans =
        std::make_unique<std::vector<Span>>(op.spans.begin(), op.spans.end());
    op.spans = *spans;
    return spans;
  } else {
    return nullptr;
  }
}

template <typename Op>
void launch_on_cuda(Op op) {
  check(op);
  auto& [stream, arena] = tested_device();
  [[maybe_unused]] const auto spans = own_spans(op);
  DeviceCopies copies(arena);
  for_each_tensor(op, [&](auto& x) {
    copies.add(x, std::is_same_v<std::remove_cvref_t<decltype(x)>, Tensor>);
  });
  copies.upload();
  const auto move = [&](auto& x) {
    using Any = std::remove_cvref_t<decltype(x)>;
    const_cast<Any&>(x) = Any(copies.at(x.bytes()), x.shape(), x.dtype());
  };
  for_each_tensor(op, move);
  launch(stream, op);
  copies.download();
  stream.synchronize();
}

}  // namespace dure::kernels
