#include "dure/data/preprocess/preprocess.h"

#include <fmt/core.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/test_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DURE_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DURE_TEST_SANITIZED
#endif
#endif

namespace dure::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Every byte is its own token; 256 ends a document, if `end` is set.
class Letters : public Tokenizer {
 public:
  explicit Letters(std::int64_t vocabulary = 257,
                   std::optional<std::int32_t> end = 256)
      : vocabulary_(vocabulary), end_(end) {}

  void encode(std::string_view text,
              std::vector<std::int32_t>& ids) const override {
    for (char c : text) {
      ids.push_back(static_cast<unsigned char>(c));
    }
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (std::int32_t id : ids) {
      text += token_text(id);
    }
    return text;
  }
  std::string token_text(std::int32_t id) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : "<end>";
  }
  std::int64_t vocabulary() const override { return vocabulary_; }
  std::optional<std::int32_t> beginning_of_document() const override {
    return std::nullopt;
  }
  std::optional<std::int32_t> end_of_document() const override { return end_; }
  std::optional<std::int32_t> id_of(std::string_view token) const override {
    return static_cast<unsigned char>(token[0]);
  }
  std::string kind() const override { return "letters"; }

 private:
  std::int64_t vocabulary_;
  std::optional<std::int32_t> end_;
};

struct Preprocess : testing::Test {
  TestDirectory directory;
  Letters tokenizer;
  std::string out = directory / "out";

  std::string file(const std::string& name, const std::string& bytes) const {
    write_file_atomically(directory / name, bytes);
    return directory / name;
  }
  std::vector<std::string> written() const {
    const IndexedDataset data(out);
    std::vector<std::string> documents;
    for (std::int64_t s = 0; s < data.sequences(); ++s) {
      std::vector<std::int32_t> ids(data.length(s));
      data.read(s, 0, ids);
      documents.push_back(tokenizer.decode(ids));
    }
    return documents;
  }
  std::string error(const PreprocessOptions& options) const {
    return error_of([&] { preprocess(tokenizer, options); });
  }
};

TEST_F(Preprocess, WritesDocumentsWithTheirEnds) {
  const auto report = preprocess(
      tokenizer,
      {.input = {.files = {file("a.jsonl",
                                "{\"text\": \"one\"}\n{\"text\": \"\"}\n"
                                "{\"text\": \"three\"}\n")}},
       .output = out});
  EXPECT_THAT(written(), ElementsAre("one<end>", "three<end>"));
  EXPECT_EQ(report.documents, 2);
  EXPECT_EQ(report.empty_documents, 1);
  EXPECT_EQ(report.tokens, 10);
  EXPECT_EQ(report.text_bytes, 8U);
  EXPECT_EQ(report.input_bytes, report.total_input_bytes);
  EXPECT_EQ(IndexedDataset(out).type(), TokenType::kU16);
}

TEST_F(Preprocess, LeavesEndsAwayWhenAskedOrUnknown) {
  PreprocessOptions options{.input = {.files = {file("a.txt", "one")}},
                            .output = out,
                            .end_of_document = EndOfDocument::kNone};
  preprocess(tokenizer, options);
  EXPECT_THAT(written(), ElementsAre("one"));
  options.end_of_document = EndOfDocument::kWhereKnown;
  preprocess(Letters(257, std::nullopt), options);
  EXPECT_THAT(written(), ElementsAre("one"));
  options.end_of_document = EndOfDocument::kAppend;
  EXPECT_THROW(preprocess(Letters(257, std::nullopt), options), UsageError);
}

TEST_F(Preprocess, StoresALargeVocabularyInFourBytes) {
  preprocess(Letters(65500),
             {.input = {.files = {file("a.txt", "one")}}, .output = out});
  EXPECT_EQ(IndexedDataset(out).type(), TokenType::kI32);
}

// Some megabytes: many batches of many sizes.
std::string many_documents() {
  const RandomStream random(1, "test");
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += fmt::format("{{\"text\": \"{} ", i);
    text += std::string(random.below(i % 100 == 0 ? 100000 : 1000, i), 'x');
    text += "\"}\n";
  }
  return text;
}

TEST_F(Preprocess, GivesTheSameFilesForAnyNumberOfWorkers) {
  const std::string input = file("a.jsonl", many_documents());
  std::string bin;
  std::string idx;
  for (int workers : {1, 2, 5}) {
    preprocess(tokenizer,
               {.input = {.files = {input, input}},
                .output = out,
                .workers = workers});
    if (workers > 1) {
      EXPECT_TRUE(read_file(out + ".bin") == bin);
      EXPECT_TRUE(read_file(out + ".idx") == idx);
    }
    bin = read_file(out + ".bin");
    idx = read_file(out + ".idx");
  }
  EXPECT_THAT(written()[2999], testing::StartsWith("2999 x"));
}

TEST_F(Preprocess, LeavesNothingAfterABadLine) {
  std::string text = many_documents();
  const std::string input = file("a.jsonl", text + "{\"text\": 1}\n");
  const auto names = directory.names();
  EXPECT_THAT(error({.input = {.files = {input}}, .output = out, .workers = 3}),
              HasSubstr("a.jsonl:3001: not valid JSON"));
  EXPECT_EQ(directory.names(), names);
}

TEST_F(Preprocess, NamesInputWithoutADocument) {
  EXPECT_THAT(error({.input = {.files = {file("a.txt", "")}}, .output = out}),
              HasSubstr("no document with any text in "));
  EXPECT_THAT(
      error({.input = {.files = {file("a.jsonl", "{\"text\": \"\"}\n")}},
             .output = out}),
      HasSubstr("a.jsonl"));
  EXPECT_FALSE(std::filesystem::exists(out + ".bin"));
}

TEST_F(Preprocess, LeavesNothingWhenItFails) {
  const std::string input = file("a.jsonl", many_documents());
  const auto names = directory.names();
  EXPECT_THAT(
      error(
          {.input = {.files = {input}},
           .output = out,
           .workers = 2,
           .progress = [](const PreprocessReport&) { throw Error("broken"); }}),
      HasSubstr("broken"));
  EXPECT_EQ(directory.names(), names);
}

// The largest resident size of this process so far.
std::int64_t peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_F(Preprocess, NeedsNoMoreMemoryForMoreInput) {
#ifdef DURE_TEST_SANITIZED
  GTEST_SKIP() << "sanitizers keep freed memory";
#endif
  const std::string part = file("part.jsonl", many_documents());
  const auto run = [&](int times) {
    preprocess(tokenizer,
               {.input = {.files = std::vector<std::string>(times, part)},
                .output = out,
                .workers = 2});
  };
  run(4);
  const std::int64_t before = peak_kilobytes();
  run(40);  // 120 MB of text, 240 MB of tokens
  // Eight batches of a few hundred kilobytes may be in flight, and the
  // allocator keeps some more. The input's size would show as 100 MB and more.
  EXPECT_LT(peak_kilobytes() - before, 16 * 1024);
}

TEST_F(Preprocess, MergesWhatWasMadeInParts) {
  const std::string a = file("a.txt", "one\ntwo\n");
  const std::string b = file("b.txt", "three\n");
  const auto make = [&](const std::vector<std::string>& files,
                        const std::string& prefix) {
    preprocess(
        tokenizer,
        {.input = {.files = files, .cut = Cut::kLine}, .output = prefix});
  };
  make({a}, directory / "a");
  make({b}, directory / "b");
  make({a, b}, directory / "whole");
  const auto report = merge_datasets({directory / "a", directory / "b"}, out);
  EXPECT_EQ(report.documents, 3);
  for (const char* suffix : {".bin", ".idx"}) {
    EXPECT_EQ(read_file(out + suffix),
              read_file((directory / "whole") + suffix));
  }
  EXPECT_THROW(merge_datasets({}, out), Error);
}

}  // namespace
}  // namespace dure::data
