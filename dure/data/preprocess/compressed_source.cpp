#include "dure/data/preprocess/compressed_source.h"

#include <algorithm>
#include <array>
#include <bzlib.h>
#include <fmt/core.h>
#include <limits>
#include <lzma.h>
#include <span>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

// Decodes one member at a time.
class Decoder {
 public:
  enum class State { kWithin, kEnded, kDamaged };

  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;

  // Takes bytes from the front of `in`, writes to the front of `out`, and
  // advances both.
  virtual State decode(std::span<const char>& in, std::span<char>& out) = 0;
  virtual void restart() = 0;

  // The library's reason for kDamaged; null if it has none.
  const char* reason() const { return reason_; }

 protected:
  const char* reason_ = nullptr;
};

// The libraries' sizes have 32 bits.
unsigned at_most(std::size_t bytes) {
  return static_cast<unsigned>(
      std::min<std::size_t>(bytes, std::numeric_limits<int>::max()));
}

void move_on(std::span<const char>& in,
             std::size_t left_in,
             std::span<char>& out,
             std::size_t left_out) {
  in = in.last(left_in);
  out = out.last(left_out);
}

class GzipDecoder : public Decoder {
 public:
  GzipDecoder() {
    constexpr int kGzipOnly = 16;
    DURE_CHECK(::inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK,
               "no memory to read gzip");
  }
  ~GzipDecoder() override { ::inflateEnd(&stream_); }

  State decode(std::span<const char>& in, std::span<char>& out) override {
    const unsigned given_in = at_most(in.size());
    const unsigned given_out = at_most(out.size());
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = given_in;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = given_out;
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    move_on(in,
            in.size() - (given_in - stream_.avail_in),
            out,
            out.size() - (given_out - stream_.avail_out));
    reason_ = stream_.msg;
    return code == Z_STREAM_END                  ? State::kEnded
           : code == Z_OK || code == Z_BUF_ERROR ? State::kWithin
                                                 : State::kDamaged;
  }
  void restart() override { ::inflateReset(&stream_); }

 private:
  z_stream stream_{};
};

class ZstandardDecoder : public Decoder {
 public:
  ZstandardDecoder() : context_(::ZSTD_createDCtx()) {
    DURE_CHECK(context_ != nullptr, "no memory to read zstd");
    // Dumps of the web are often packed with --long=31.
    ::ZSTD_DCtx_setParameter(
        context_,
        ZSTD_d_windowLogMax,
        ::ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).upperBound);
  }
  ~ZstandardDecoder() override { ::ZSTD_freeDCtx(context_); }

  State decode(std::span<const char>& in, std::span<char>& out) override {
    ZSTD_inBuffer from = {in.data(), in.size(), 0};
    ZSTD_outBuffer to = {out.data(), out.size(), 0};
    const std::size_t code = ::ZSTD_decompressStream(context_, &to, &from);
    move_on(in, in.size() - from.pos, out, out.size() - to.pos);
    reason_ = ::ZSTD_isError(code) != 0 ? ::ZSTD_getErrorName(code) : nullptr;
    return reason_ != nullptr ? State::kDamaged
           : code == 0        ? State::kEnded
                              : State::kWithin;
  }
  void restart() override {
    ::ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
  }

 private:
  ZSTD_DCtx* context_;
};

class XzDecoder : public Decoder {
 public:
  XzDecoder() { restart(); }
  ~XzDecoder() override { ::lzma_end(&stream_); }

  State decode(std::span<const char>& in, std::span<char>& out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret code = ::lzma_code(&stream_, LZMA_RUN);
    move_on(in, stream_.avail_in, out, stream_.avail_out);
    if (code == LZMA_MEMLIMIT_ERROR) {
      reason_ = "its dictionary takes more than 2 GiB of memory";
    }
    return code == LZMA_STREAM_END                     ? State::kEnded
           : code == LZMA_OK || code == LZMA_BUF_ERROR ? State::kWithin
                                                       : State::kDamaged;
  }
  void restart() override {
    DURE_CHECK(::lzma_stream_decoder(&stream_, kMostMemory, 0) == LZMA_OK,
               "no memory to read xz");
  }

 private:
  // xz -9 needs 65 MiB; the format allows for 4 GiB.
  static constexpr std::uint64_t kMostMemory = std::uint64_t{2} << 30U;

  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class Bzip2Decoder : public Decoder {
 public:
  Bzip2Decoder() { begin(); }
  ~Bzip2Decoder() override { ::BZ2_bzDecompressEnd(&stream_); }

  State decode(std::span<const char>& in, std::span<char>& out) override {
    const unsigned given_in = at_most(in.size());
    const unsigned given_out = at_most(out.size());
    stream_.next_in = const_cast<char*>(in.data());
    stream_.avail_in = given_in;
    stream_.next_out = out.data();
    stream_.avail_out = given_out;
    const int code = ::BZ2_bzDecompress(&stream_);
    move_on(in,
            in.size() - (given_in - stream_.avail_in),
            out,
            out.size() - (given_out - stream_.avail_out));
    return code == BZ_STREAM_END ? State::kEnded
           : code == BZ_OK       ? State::kWithin
                                 : State::kDamaged;
  }
  void restart() override {
    ::BZ2_bzDecompressEnd(&stream_);
    begin();
  }

 private:
  void begin() {
    stream_ = {};
    DURE_CHECK(::BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK,
               "no memory to read bzip2");
  }

  bz_stream stream_{};
};

std::unique_ptr<Decoder> decoder_of(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipDecoder>();
    case Compression::kZstandard:
      return std::make_unique<ZstandardDecoder>();
    case Compression::kXz:
      return std::make_unique<XzDecoder>();
    case Compression::kBzip2:
      return std::make_unique<Bzip2Decoder>();
    case Compression::kNone:
      break;
  }
  throw Error("wanted a compression, got none");
}

const char* name_of(Compression compression) {
  constexpr std::array kNames = {"no", "gzip", "zstd", "xz", "bzip2"};
  return kNames[static_cast<std::size_t>(compression)];
}

class CompressedSource : public ByteSource {
 public:
  CompressedSource(std::unique_ptr<ByteSource> source,
                   Compression compression,
                   std::string name)
      : source_(std::move(source)),
        decoder_(decoder_of(compression)),
        name_(std::move(name)),
        kind_(name_of(compression)),
        buffer_(kBufferBytes) {}

  std::size_t read(std::span<char> bytes) override {
    std::span<char> left = bytes;
    while (!bytes.empty() && left.size() == bytes.size() &&
           (within_ || begin_member())) {
      refill();
      const std::size_t had_in = in_.size();
      const std::size_t had_out = left.size();
      const Decoder::State state = decoder_->decode(in_, left);
      member_bytes_ += had_out - left.size();
      within_ = state != Decoder::State::kEnded;
      const bool moved = in_.size() < had_in || left.size() < had_out;
      DURE_CHECK(!within_ || moved || had_in > 0,
                 "{}: the {} data ends too early; the file is truncated",
                 name_,
                 kind_);
      DURE_CHECK(state != Decoder::State::kDamaged && (!within_ || moved),
                 "{}: {}",
                 name_,
                 damage());
    }
    return bytes.size() - left.size();
  }

  std::uint64_t position() const override { return source_->position(); }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

  void refill() {
    if (in_.empty()) {
      in_ = std::span<const char>(buffer_).first(source_->read(buffer_));
    }
  }

  // False at the end of the file, and of the zeros after the last member.
  bool begin_member() {
    for (refill(); !in_.empty(); refill()) {
      const auto byte = std::find_if(
          in_.begin(), in_.end(), [](char c) { return c != '\0'; });
      in_ = in_.subspan(static_cast<std::size_t>(byte - in_.begin()));
      if (!in_.empty()) {
        decoder_->restart();
        ++members_;
        member_bytes_ = 0;
        return true;
      }
    }
    return false;
  }

  std::string damage() const {
    return members_ > 1 && member_bytes_ == 0
               ? fmt::format("behind the {} data follows something else", kind_)
               : fmt::format(
                     "the {} data is damaged{}{}",
                     kind_,
                     decoder_->reason() != nullptr ? ": " : "",
                     decoder_->reason() != nullptr ? decoder_->reason() : "");
  }

  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<Decoder> decoder_;
  std::string name_;
  const char* kind_;
  std::vector<char> buffer_;
  std::span<const char> in_;
  bool within_ = false;  // a member
  std::int64_t members_ = 0;
  std::uint64_t member_bytes_ = 0;  // that came out of this one
};

bool is_zstandard(std::string_view bytes) {
  constexpr std::string_view kFrame = "\x28\xB5\x2F\xFD";
  constexpr std::string_view kSkippable = "\x2A\x4D\x18";
  return bytes.starts_with(kFrame) ||
         (bytes.size() >= 4 && (bytes[0] & 0xF0) == 0x50 &&
          bytes.substr(1).starts_with(kSkippable));
}

}  // namespace

Compression compression_of(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\x1F\x8B")) {
    return Compression::kGzip;
  }
  if (is_zstandard(bytes)) {
    return Compression::kZstandard;
  }
  if (bytes.starts_with("\xFD"
                        "7zXZ\0"sv)) {
    return Compression::kXz;
  }
  // The magic is "BZh", a digit, and the first byte of a block or of the end.
  if (bytes.starts_with("BZh") && bytes.size() >= 5 && bytes[3] >= '1' &&
      bytes[3] <= '9' && (bytes[4] == '\x31' || bytes[4] == '\x17')) {
    return Compression::kBzip2;
  }
  return Compression::kNone;
}

std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> source,
                                       Compression compression,
                                       const std::string& name) {
  return std::make_unique<CompressedSource>(
      std::move(source), compression, name);
}

}  // namespace dure::data
