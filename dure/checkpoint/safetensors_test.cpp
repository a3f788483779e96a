#include "dure/checkpoint/safetensors.h"

#include <cstring>
#include <gmock/gmock.h>

#include "dure/checkpoint/safetensors_writer.h"
#include "dure/checkpoint/scratch_folder.h"

namespace dure::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A file with this header and so many bytes of data.
std::string file_with(const std::string& header, std::size_t data_bytes) {
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size() & 0xFF);
  file[1] = static_cast<char>(header.size() >> 8);
  return file + header + std::string(data_bytes, 'd');
}

SafetensorsContent parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "f");
}

std::string refusal(const std::string& header, std::size_t data_bytes = 0) {
  const std::string file = file_with(header, data_bytes);
  return error_of([&] { parse(file); });
}

// {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}
std::string one(const std::string& dtype,
                const std::string& shape,
                const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape +
         R"(,"data_offsets":)" + offsets + "}}";
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirBytes) {
  const std::string file =
      file_with(R"({"__metadata__":{"k":"v"},)"
                R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]},)"
                R"("b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                R"("e":{"dtype":"I64","shape":[0,5],"data_offsets":[3,3]},)"
                R"("s":{"dtype":"BF16","shape":[],"data_offsets":[11,13]}}   )",
                13);
  const SafetensorsContent content = parse(file);
  ASSERT_EQ(content.tensors.size(), 4U);
  EXPECT_EQ(content.tensors[0].name, "b");
  EXPECT_EQ(content.tensors[1].name, "e");
  EXPECT_EQ(content.tensors[2].name, "a");
  EXPECT_EQ(content.tensors[2].dtype, FileDtype::kF32);
  EXPECT_THAT(content.tensors[2].shape, ElementsAre(1, 2));
  EXPECT_EQ(content.tensors[2].bytes.size(), 8U);
  EXPECT_TRUE(content.tensors[3].shape.empty());
  EXPECT_EQ(content.metadata.at("k"), "v");
}

TEST(Safetensors, AFileWithoutTensorsIsAFile) {
  EXPECT_TRUE(parse(file_with("{}", 0)).tensors.empty());
}

TEST(Safetensors, RefusesAFileShorterThanItSays) {
  EXPECT_THAT(error_of([] { parse(""); }), HasSubstr("has 0 bytes"));
  EXPECT_THAT(error_of([] { parse("1234567"); }), HasSubstr("has 7 bytes"));
  EXPECT_THAT(error_of([] { parse(std::string("\x09\0\0\0\0\0\0\0{}", 10)); }),
              HasSubstr("takes 9 bytes and only 2 follow"));
  EXPECT_THAT(error_of([] { parse(std::string(20, '\xFF')); }),
              HasSubstr("not a safetensors file"));
  EXPECT_THAT(refusal(one("U8", "[4]", "[0,4]"), 3), HasSubstr("truncated"));
}

TEST(Safetensors, RefusesAHeaderThatIsNotJson) {
  EXPECT_THAT(refusal(""), HasSubstr("does not begin with {"));
  EXPECT_THAT(refusal("[]"), HasSubstr("does not begin with {"));
  EXPECT_THAT(refusal("{\"a\":"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("{\"\xFF\":{}}"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("{} x"), HasSubstr("not JSON"));
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100; ++i) {
    deep += "[";
  }
  EXPECT_THAT(refusal(deep), HasSubstr("nested deeper"));
}

TEST(Safetensors, RefusesATensorThatIsNotDescribed) {
  EXPECT_THAT(refusal(R"({"a":1})"), HasSubstr("wanted an object"));
  EXPECT_THAT(refusal(R"({"a":{"shape":[],"data_offsets":[0,0]}})"),
              HasSubstr("has no dtype"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})"),
              HasSubstr("has no shape"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[0]}})"),
              HasSubstr("has no data_offsets"));
  EXPECT_THAT(refusal(one("F31", "[1]", "[0,4]"), 4),
              HasSubstr("dtype \"F31\" is unknown"));
  EXPECT_THAT(refusal(one("U8", "[-1]", "[0,1]"), 1),
              HasSubstr("non-negative integers"));
  EXPECT_THAT(refusal(one("U8", "[1.0]", "[0,1]"), 1),
              HasSubstr("non-negative integers"));
  EXPECT_THAT(refusal(one("U8", "[1]", "[0]"), 1),
              HasSubstr("two non-negative"));
  EXPECT_THAT(refusal(one("U8", "[1]", "[-1,0]"), 1),
              HasSubstr("two non-negative"));
}

TEST(Safetensors, RefusesBytesThatDoNotFitTheShape) {
  EXPECT_THAT(refusal(one("F32", "[2]", "[0,4]"), 4),
              HasSubstr("has 4 bytes, but F32 (2) takes 2 x 4"));
  EXPECT_THAT(refusal(one("U8", "[1]", "[1,0]"), 1),
              HasSubstr("after its end"));
  // The shapes are 2^62 x 2^62, and one whose product times 8 would wrap around
  // to 0.
  const std::string huge = "[4611686018427387904,4611686018427387904]";
  EXPECT_THAT(refusal(one("U8", huge, "[0,0]")), HasSubstr("64 bits"));
  EXPECT_THAT(refusal(one("F64", "[2305843009213693952]", "[0,0]")),
              HasSubstr("has 0 bytes"));
  EXPECT_THAT(refusal(one("U8", "[18446744073709551616]", "[0,0]")),
              HasSubstr("non-negative integers"));
}

TEST(Safetensors, RefusesGapsOverlapsAndLeftovers) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}";
  };
  EXPECT_EQ(parse(file_with(two("[2,4]", "[0,2]"), 4)).tensors.size(), 2U);
  EXPECT_THAT(refusal(two("[0,2]", "[3,5]"), 5),
              HasSubstr("tensor \"b\" begins"));
  EXPECT_THAT(refusal(two("[0,2]", "[1,3]"), 3),
              HasSubstr("tensor \"b\" begins"));
  EXPECT_THAT(refusal(two("[0,2]", "[0,2]"), 2), HasSubstr("gap or overlap"));
  EXPECT_THAT(refusal(two("[1,3]", "[3,5]"), 5),
              HasSubstr("tensor \"a\" begins"));
  EXPECT_THAT(refusal(two("[0,2]", "[2,4]"), 5),
              HasSubstr("1 bytes after the last"));
}

TEST(Safetensors, RefusesRepeatedNamesAndOddMetadata) {
  EXPECT_THAT(
      refusal(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
              R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
      HasSubstr("has \"a\" twice"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],)"
                      R"("data_offsets":[0,0]}})"),
              HasSubstr("has \"dtype\" twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":1}})"),
              HasSubstr("wanted a string"));
  EXPECT_THAT(refusal(R"({"__metadata__":[]})"), HasSubstr("wanted an object"));
}

struct SafetensorsFiles : ScratchFolder {};

const std::vector<TensorHeader> kHeaders = {
    {"u8", FileDtype::kU8, {3}},
    {"f32", FileDtype::kF32, {2, 2}},
    {"bf16", FileDtype::kBf16, {1}},
    {"another", FileDtype::kBf16, {2}},
    {"i64", FileDtype::kI64, {}},
    {"none", FileDtype::kF32, {0, 7}},
};

std::vector<std::byte> pattern(std::uint64_t bytes, std::size_t salt) {
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::byte>((i + 1) * 37 + salt);
  }
  return data;
}

void write_all(const Path& path, const std::vector<TensorHeader>& headers) {
  SafetensorsWriter writer(path, headers, {{"made", "by a \"test\""}});
  for (const TensorHeader& header : headers) {
    writer.write(header.name, pattern(bytes_of(header), header.name.size()));
  }
  writer.commit();
}

TEST_F(SafetensorsFiles, WhatIsWrittenIsRead) {
  const Path path = folder() / "a.safetensors";
  write_all(path, kHeaders);
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("made"), "by a \"test\"");
  ASSERT_EQ(file.tensors().size(), kHeaders.size());
  for (const TensorHeader& header : kHeaders) {
    const TensorEntry& entry = file.at(header.name);
    EXPECT_EQ(entry.dtype, header.dtype);
    EXPECT_EQ(entry.shape, header.shape);
    const auto wanted = pattern(bytes_of(header), header.name.size());
    ASSERT_EQ(entry.bytes.size(), wanted.size());
    EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), entry.bytes.begin()));
  }
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_THAT(error_of([&] { file.at("absent"); }),
              HasSubstr("a.safetensors: has no tensor \"absent\""));
}

TEST_F(SafetensorsFiles, TheFileDoesNotDependOnTheOrderGiven) {
  write_all(folder() / "a", kHeaders);
  write_all(folder() / "b", {kHeaders.rbegin(), kHeaders.rend()});
  EXPECT_EQ(read_file(folder() / "a"), read_file(folder() / "b"));
}

TEST_F(SafetensorsFiles, EveryElementIsAlignedToItsSize) {
  write_all(folder() / "a", kHeaders);
  const SafetensorsFile file(folder() / "a");
  for (const TensorEntry& entry : file.tensors()) {
    const auto address = reinterpret_cast<std::uintptr_t>(entry.bytes.data());
    EXPECT_EQ(address % size_of(entry.dtype), 0U) << entry.name;
  }
}

TEST_F(SafetensorsFiles, AMovedFileStillFinds) {
  write_all(folder() / "a", kHeaders);
  SafetensorsFile file(folder() / "a");
  const SafetensorsFile moved = std::move(file);
  EXPECT_EQ(moved.at("u8").shape, Dims{3});
}

TEST_F(SafetensorsFiles, AnIncompleteFileNeverAppears) {
  const Path path = folder() / "a";
  {
    SafetensorsWriter writer(path, kHeaders);
    writer.write("u8", pattern(3, 0));
    EXPECT_THAT(error_of([&] { writer.write("u8", pattern(3, 0)); }),
                HasSubstr("written before"));
    EXPECT_THAT(error_of([&] { writer.write("f32", pattern(4, 0)); }),
                HasSubstr("takes 16 bytes, not 4"));
    EXPECT_THAT(error_of([&] { writer.commit(); }), HasSubstr("never written"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST(SafetensorsPlan, RefusesTwoTensorsOfOneName) {
  const TensorHeader a{"a", FileDtype::kU8, {1}};
  EXPECT_THAT(error_of([&] {
                plan_safetensors({a, a}, {});
              }),
              HasSubstr("two tensors are called a"));
  const TensorHeader odd{"\xFF", FileDtype::kU8, {1}};
  EXPECT_THAT(error_of([&] { plan_safetensors({odd}, {}); }),
              HasSubstr("UTF-8"));
}

TEST(SafetensorsPlan, EveryDtypeIsReadBackAsItself) {
  for (int i = 0; i <= static_cast<int>(FileDtype::kBool); ++i) {
    const auto dtype = static_cast<FileDtype>(i);
    const auto layout = plan_safetensors({{"a", dtype, {3}}}, {});
    const std::string file =
        layout.header + std::string(3 * size_of(dtype), 'x');
    EXPECT_EQ(file.size(), layout.file_bytes);
    EXPECT_EQ(parse(file).tensors.at(0).dtype, dtype);
  }
}

}  // namespace
}  // namespace dure::checkpoint
