#include "dure/data/preprocess/text_source.h"

#include <bzlib.h>
#include <chrono>
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <lzma.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/data/preprocess/compressed_source.h"
#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string packed(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<unsigned>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<unsigned>(packed.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  return packed;
}

std::string zstandard(const std::string& text) {
  std::string packed(::ZSTD_compressBound(text.size()), '\0');
  packed.resize(::ZSTD_compress(
      packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

std::string xz(const std::string& text) {
  std::string packed(::lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  EXPECT_EQ(::lzma_easy_buffer_encode(
                0,
                LZMA_CHECK_CRC64,
                nullptr,
                reinterpret_cast<const std::uint8_t*>(text.data()),
                text.size(),
                reinterpret_cast<std::uint8_t*>(packed.data()),
                &size,
                packed.size()),
            LZMA_OK);
  packed.resize(size);
  return packed;
}

std::string bzip2(const std::string& text) {
  std::string packed(text.size() + text.size() / 100 + 600, '\0');
  auto size = static_cast<unsigned>(packed.size());
  EXPECT_EQ(::BZ2_bzBuffToBuffCompress(packed.data(),
                                       &size,
                                       const_cast<char*>(text.data()),
                                       static_cast<unsigned>(text.size()),
                                       9,
                                       0,
                                       0),
            BZ_OK);
  packed.resize(size);
  return packed;
}

using Pack = std::string (*)(const std::string&);
constexpr std::pair<const char*, Pack> kPacks[] = {
    {"gzip", gzip}, {"zstd", zstandard}, {"xz", xz}, {"bzip2", bzip2}};

// Gives a few bytes at a time, as a slow pipe does.
class Dripping : public ByteSource {
 public:
  Dripping(std::string_view text, std::size_t most)
      : source_(text), most_(most) {}
  std::size_t read(std::span<char> bytes) override {
    return source_.read(bytes.first(std::min(bytes.size(), most_)));
  }
  std::uint64_t position() const override { return source_.position(); }

 private:
  MemorySource source_;
  std::size_t most_;
};

std::string text_of(const std::string& bytes,
                    std::size_t most = std::size_t{1} << 20) {
  return whole_text(*as_text(std::make_unique<Dripping>(bytes, most), "x"));
}

std::string refusal(const std::string& bytes) {
  return error_of([&] { text_of(bytes); });
}

// Some text that packs well, and some that does not.
std::string some_text() {
  std::string text;
  for (int i = 0; i < 60'000; ++i) {
    text += fmt::format("{}{}", i * 7919 % 10007, i % 9 == 0 ? "\n" : " ");
  }
  return text;
}

TEST(TextSource, GivesPlainTextAsItIs) {
  for (const std::string& text : {""s, "a"s, "ab\0c"s, some_text()}) {
    EXPECT_EQ(text_of(text), text);
  }
}

TEST(TextSource, ReadsWhatIsCompressed) {
  const std::string text = some_text();
  for (const auto& [name, pack] : kPacks) {
    SCOPED_TRACE(name);
    const std::string packed = pack(text);
    for (const std::size_t most : {std::size_t{7}, packed.size()}) {
      EXPECT_EQ(text_of(packed, most), text);
    }
    EXPECT_EQ(text_of(pack("")), "");
  }
}

TEST(TextSource, ReadsMembersOneAfterAnother) {
  for (const auto& [name, pack] : kPacks) {
    SCOPED_TRACE(name);
    const std::string members =
        pack("one ") + pack("") + pack("two ") + pack("three");
    for (std::size_t most = 1; most < 9; ++most) {
      EXPECT_EQ(text_of(members, most), "one two three");
    }
    EXPECT_EQ(text_of(members + std::string(100'000, '\0')), "one two three");
  }
  // pzstd and seekable files have frames that are skipped.
  EXPECT_EQ(text_of("\x50\x2A\x4D\x18\x02\0\0\0xy"s + zstandard("one")), "one");
  EXPECT_EQ(text_of(zstandard("one") + "\x5E\x2A\x4D\x18\x02\0\0\0xy"s), "one");
}

TEST(TextSource, RefusesCompressedDataThatEndsTooEarly) {
  for (const auto& [name, pack] : kPacks) {
    const std::string packed =
        pack("a text of some length, of which it has 48");
    for (std::size_t size = 6; size < packed.size(); ++size) {
      EXPECT_THAT(refusal(packed.substr(0, size)),
                  HasSubstr(fmt::format(
                      "x: the {} data ends too early; the file is ", name)))
          << size;
      EXPECT_THAT(refusal(packed + packed.substr(0, size)),
                  HasSubstr("ends too early"))
          << size;
    }
  }
}

TEST(TextSource, RefusesCompressedDataThatIsDamaged) {
  const std::string text = some_text();
  for (const auto& [name, pack] : kPacks) {
    std::string packed = pack(text);
    packed[packed.size() / 2] ^= 0x55;
    if (std::string_view(name) != "zstd") {  // whose frames here have no sum
      EXPECT_THAT(refusal(packed),
                  HasSubstr(fmt::format("x: the {} data is damaged", name)));
    }
    EXPECT_THAT(refusal(pack(text) + "something else"),
                HasSubstr(fmt::format(
                    "x: behind the {} data follows something else", name)));
  }
  EXPECT_THAT(refusal("\x28\xB5\x2F\xFD\x04\0\x19\0\0abc"s), HasSubstr("zstd"));
}

TEST(TextSource, TakesAByteOrderMarkOff) {
  EXPECT_EQ(text_of("\xEF\xBB\xBFtext"), "text");
  EXPECT_EQ(text_of("\xEF\xBB\xBF"), "");
  EXPECT_EQ(text_of(gzip("\xEF\xBB\xBFtext")), "text");
  EXPECT_EQ(text_of("\xEF\xBB\xBF\xEF\xBB\xBFtext"), "\xEF\xBB\xBFtext");
}

TEST(TextSource, NamesWhatIsNoText) {
  const std::pair<std::string, const char*> cases[] = {
      {"\xFF\xFE"
       "a\0b\0\n\0"s,
       "is UTF-16; wanted text in UTF-8; iconv"},
      {"\xFE\xFF\0a"s, "is UTF-16"},
      {"\xFF\xFE\0\0"
       "a\0\0\0"s,
       "is UTF-32"},
      {"\0\0\xFE\xFF\0\0\0a"s, "is UTF-32"},
      {zstandard("\xFF\xFE"
                 "a\0"s),
       "is UTF-16"},
      {"PK\x03\x04rest"s, "a zip archive"},
      {"PAR1rest"s, "a Parquet file"},
      {"ARROW1\0\0rest"s, "an Arrow file"},
      {"\xFF\xFF\xFF\xFFrest"s, "an Arrow stream"},
      {"\x04\x22\x4D\x18rest"s, "compressed by lz4"},
      {"MMIDIDX\0\0"s, "the .idx of a data set"},
      {"version https://git-lfs.github.com/spec/v1\n"s, "Git LFS"},
      {std::string(257, 'a') + "ustar", "a tar archive"},
      {gzip(std::string(257, 'a') + "ustar"), "a tar archive"},
      {gzip(gzip("text")), "compressed twice"},
      {bzip2(xz("text")), "compressed twice"},
      {"l\0i\0n\0e\0\n\0"s, "UTF-16 without a byte order mark"},
      {"l\0i\0n\0e\0\n\0"s, "iconv -f UTF-16LE"},
      {"\0l\0i\0n\0e\0\n"s, "iconv -f UTF-16BE"},
      {std::string(5000, '\0'), "full of zero bytes"}};
  for (const auto& [bytes, said] : cases) {
    EXPECT_THAT(refusal(bytes), HasSubstr(said));
  }
  EXPECT_THAT(error_of([] { open_text("/nowhere/at/all"); }),
              HasSubstr("can't open /nowhere/at/all: No such file"));
  EXPECT_THAT(error_of([] { open_text("/tmp"); }), HasSubstr("can't read"));
}

TEST(TextSource, LooksAheadWithoutLoss) {
  const std::string text = some_text();
  PeekedSource source(std::make_unique<Dripping>(text, 5));
  EXPECT_EQ(source.peek(3), text.substr(0, 3));
  EXPECT_EQ(source.peek(5000), text.substr(0, 5000));
  source.skip(2);
  EXPECT_EQ(source.peek(1), text.substr(2, 1));
  EXPECT_EQ(whole_text(source), text.substr(2));
  EXPECT_EQ(source.peek(10), "");
}

TEST(TextSource, CutsLines) {
  EXPECT_THAT(lines_of("a\r\nb\r\rc\n"), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(lines_of(""), ElementsAre());
}

struct Pipe : testing::Test {
  TestDirectory directory;
  std::string path = directory / "pipe";
  Pipe() { EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0); }

  std::jthread writer(std::string bytes) const {
    return std::jthread([path = path, bytes = std::move(bytes)] {
      const int descriptor = ::open(path.c_str(), O_WRONLY);
      for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t put =
            ::write(descriptor, bytes.data() + at, bytes.size() - at);
        at += put > 0 ? static_cast<std::size_t>(put) : bytes.size();
      }
      ::close(descriptor);
    });
  }
};

TEST_F(Pipe, IsReadFromItsFirstByteToItsLast) {
  const std::string text = some_text();
  for (const std::string& bytes : {text, gzip(text), ""s}) {
    const auto writing = writer(bytes);
    EXPECT_EQ(whole_text(*open_text(path)), text_of(bytes));
  }
}

}  // namespace
}  // namespace dure::data
