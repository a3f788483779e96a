// Data and text that are not what they seem, through the real program.
#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

class BadData : public TrainedFolder {
 protected:
  // The number after "key": in the output of eval --json.
  static double number(const std::string& json, const std::string& key) {
    const std::size_t at = json.find("\"" + key + "\": ");
    EXPECT_NE(at, std::string::npos) << json;
    return at == std::string::npos
               ? NAN
               : std::stod(json.substr(at + key.size() + 4));
  }
  static double loss_on(const std::string& data) {
    const Outcome outcome = dure("eval --json --checkpoint run --data " + data);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return number(outcome.output, "loss");
  }

  // Expects equal .bin and .idx files, byte for byte.
  static void same_tokens(const std::string& a, const std::string& b) {
    EXPECT_EQ(read(a + ".bin"), read(b + ".bin"));
    EXPECT_EQ(read(a + ".idx"), read(b + ".idx"));
  }
  // Preprocesses lines as documents; `before` may make the input.
  static void preprocesses(const std::string& input,
                           const std::string& output,
                           const std::string& before = "true") {
    const Outcome outcome =
        dure("preprocess --documents lines --tokenizer bytes --output " +
                 output + " --input " + input,
             before);
    EXPECT_EQ(outcome.exit_code, 0) << input << outcome.errors;
  }
};

// An epoch has 56 steps, so both runs cross into later ones, with other totals.
TEST_F(BadData, MoreStepsAcrossAnEpochReadTheSameSamples) {
  const std::string train =
      "train config.toml --set optimizer.decay=constant --set "
      "checkpoint.every=0 --set log.directory=";
  const auto steps_from = [](const std::string& metrics) {
    std::string losses;
    for (std::size_t at = metrics.find("\"loss\""); at != std::string::npos;
         at = metrics.find("\"loss\"", at + 1)) {
      losses += metrics.substr(at, metrics.find(',', at) - at) + "\n";
    }
    return losses;
  };
  ASSERT_EQ(dure(train + "long --set train.steps=130").exit_code, 0);
  ASSERT_EQ(dure(train + "grown --set train.steps=60").exit_code, 0);
  ASSERT_EQ(dure(train + "grown --set train.steps=130 --resume").exit_code, 0);
  EXPECT_EQ(steps_from(read("grown/metrics.jsonl")),
            steps_from(read("long/metrics.jsonl")));
}

TEST_F(BadData, OfPartsThatAreEmpty) {
  const std::string eval = "eval --checkpoint run --data text --split ";
  for (const char* split : {"1,0", "100", "1,0,0"}) {
    refuses(eval + split + " --part test", kUsage, "nothing for test");
  }
  refuses(eval + "0,1 --part train", kUsage, "nothing for train");
  refuses(eval + "1000000,1 --part validation", kFailed, "gets none of its");
  refuses(eval + "nan", kUsage, "wanted one to three shares");
  refuses(eval + "1e400,1", kUsage, "wanted one to three shares");
  refuses("eval --checkpoint run --data text --part test", kUsage, "--split");
  make_directories(folder() / "new/checkpoints");  // a run makes them first
  const std::string train = "train config.toml --set log.directory=new --set ";
  refuses(train + "data.split=0,1", kUsage, "nothing for train");
  refuses(train + "data.split=1,0 --set train.evaluate_every=1",
          kUsage,
          "train.evaluate_every: wanted 0, or validation data");
  refuses(train + "data.validation=absent", kFailed, "absent.idx");
  refuses(train + "data.test=absent", kFailed, "absent.idx");
  write("short.txt", "short");
  preprocesses("short.txt", "short");
  refuses(
      train + "data.train=short", kFailed, "less than the 17 of one sample");
  refuses("eval --checkpoint run --data text short", kFailed, "of one sample");
  const Outcome outcome = dure(train + "data.validation=text");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.errors.find("there is validation data, but nothing"),
            std::string::npos)
      << outcome.errors;
}

TEST_F(BadData, WeightsCountInEvaluation) {
  write("other.txt", std::string(2000, '~'));
  preprocesses("other.txt", "other");
  const double text = loss_on("text");
  const double other = loss_on("other");
  ASSERT_GT(std::abs(text - other), 0.01);
  EXPECT_NEAR(loss_on("0.9 text 0.1 other"), 0.9 * text + 0.1 * other, 1e-12);
  EXPECT_NEAR(loss_on("1 text 3 other"), 0.25 * text + 0.75 * other, 1e-12);
  const std::string blend =
      "eval --json --checkpoint run --samples 8 --data 1 text 3 other";
  EXPECT_EQ(number(dure(blend).output, "samples"), 8);
  const std::string eval = "eval --checkpoint run --data ";
  for (const char* weight : {"0", "nan", "inf", "1e999", "'-1'"}) {
    refuses(eval + weight + " text 1 other", kUsage, "a weight above 0");
  }
  refuses(eval + "1e308 text 1e308 other", kUsage, "weights of a blend");
}

TEST_F(BadData, PipesAreReadOnceFromTheFirstByte) {
  const std::string make = "seq 1 60000 | sed 's/^/line /' > big.txt";
  preprocesses("big.txt", "of_file", make);
  preprocesses("<(cat big.txt)", "of_pipe");
  same_tokens("of_file", "of_pipe");
  preprocesses("/dev/stdin < <(cat big.txt)", "of_stdin");
  same_tokens("of_file", "of_stdin");
  shell(
      "mkfifo fifo; (gzip -c big.txt > fifo) & $DURE preprocess --documents "
      "lines --tokenizer bytes --output of_fifo --input fifo; wait");
  same_tokens("of_file", "of_fifo");
  const std::string learn =
      "tokenizer train --vocabulary 300 --output tokenizer_";
  ASSERT_EQ(dure(learn + "file.json --input big.txt").exit_code, 0);
  ASSERT_EQ(dure(learn + "pipe.json --input <(cat big.txt)").exit_code, 0);
  EXPECT_EQ(read("tokenizer_file.json"), read("tokenizer_pipe.json"));
}

TEST_F(BadData, APipeWithoutAWriterEndsByASignal) {
  for (const char* command :
       {"preprocess --tokenizer bytes --output none --input silent",
        "tokenizer train --output none.json --input silent"}) {
    const Outcome outcome =
        shell("rm -f silent; mkfifo silent\n\"$DURE\" " + std::string(command) +
              " & waited=$!\nsleep 0.3; kill -TERM $waited\n"
              "(sleep 20; kill -KILL $waited) & killer=$!\n"
              "wait $waited; code=$?; kill $killer; exit $code");
    EXPECT_NE(outcome.exit_code, 0) << outcome.errors;
    EXPECT_NE(outcome.exit_code, 128 + 9) << "it did not hear the signal";
    EXPECT_FALSE(std::filesystem::exists(folder() / "none.bin"));
    EXPECT_FALSE(std::filesystem::exists(folder() / "none.json"));
  }
}

TEST_F(BadData, TextIsKnownByItsFirstBytes) {
  write("plain.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
  preprocesses("plain.jsonl", "plain");
  const std::string makes[] = {
      "(printf '\\xef\\xbb\\xbf'; cat plain.jsonl) > in.dat",
      "sed 's/$/\\r/' plain.jsonl > in.dat",
      "tr '\\n' '\\r' < plain.jsonl > in.dat",
      "gzip -c plain.jsonl > in.dat",
      "(head -1 plain.jsonl | gzip; tail -1 plain.jsonl | gzip) > in.dat"};
  for (const std::string& make : makes) {
    preprocesses("in.dat", "same", make);
    same_tokens("plain", "same");
  }
  const std::pair<const char*, const char*> refused[] = {
      {"printf '\\xff\\xfea\\x00b\\x00\\n\\x00' > in.txt", "in.txt is UTF-16"},
      {"printf '\\x28\\xb5\\x2f\\xfd\\x04\\x00\\x19\\x00\\x00abc' > in.txt",
       "in.txt: the zstd data"},
      {"printf '\\xfd7zXZ\\x00\\x00abc' > in.txt", "in.txt: the xz data"},
      {"printf 'BZh91AY&SYabc' > in.txt", "in.txt: the bzip2 data"},
      {"gzip -c plain.jsonl | head -c 30 > in.txt", "ends too early"},
      {"(gzip -c plain.jsonl; echo x) > in.txt", "follows something else"},
      {"tar cz plain.jsonl > in.txt", "in.txt is a tar archive"},
      {"printf 'PAR1' > in.txt", "in.txt is a Parquet file"},
      {"ln -sf /dev/zero in.txt", "in.txt is full of zero bytes"}};
  write("in.txt", "");
  for (const auto& [make, said] : refused) {
    refuses("preprocess --tokenizer bytes --output none --input in.txt",
            kFailed,
            said,
            "rm -f in.txt; " + std::string(make));
  }
}

TEST_F(BadData, PromptsAndTextsAreReadInTheSameWay) {
  const std::string generate =
      "generate --checkpoint run --tokens 1 --temperature 0 --json "
      "--prompt-file ";
  write("prompts.txt", "one\ntwo\n");
  const std::string wanted = dure(generate + "prompts.txt").output;
  const auto same = [&](const std::string& input) {
    const Outcome outcome = dure(generate + input);
    EXPECT_EQ(outcome.exit_code, 0) << input << outcome.errors;
    const auto texts = [](const std::string& json) {
      return json.substr(0, json.find("tokens_per_second"));
    };
    EXPECT_EQ(texts(outcome.output), texts(wanted)) << input;
  };
  EXPECT_NE(wanted.find("\"two\""), std::string::npos) << wanted;
  same("<(printf '\\xef\\xbb\\xbfone\\r\\ntwo')");
  same("<(printf 'one\\rtwo\\r')");
  same("<(gzip -c prompts.txt)");
  same("<(cat prompts.txt) --ranks 2");  // one rank reads for both
  const auto encode = [](const std::string& input) {
    return dure("tokenizer encode --tokenizer bytes " + input).output;
  };
  EXPECT_EQ(encode("--file prompts.txt"), encode("--text $'one\\ntwo\\n'"));
  EXPECT_EQ(encode("< prompts.txt"), encode("--file <(gzip -c prompts.txt)"));
  EXPECT_EQ(encode("< <(printf '\\xef\\xbb\\xbfone')"), encode("--text one"));
  refuses("generate --checkpoint run --prompt-file /dev/zero",
          kFailed,
          "full of zero bytes");
}

TEST_F(BadData, MoreSamplesAtOnceThanThereAreIsAllOfThem) {
  const std::string eval = "eval --checkpoint run --data text --batch ";
  const std::string all = dure(eval + "50").output;
  EXPECT_NE(all, "");
  EXPECT_EQ(dure(eval + "9223372036854775807").output, all);
}

TEST_F(BadData, TextThatIsNotUtf8IsRefused) {
  write("latin1.txt", "na\xefve\n");
  refuses("preprocess --input latin1.txt --tokenizer bytes --output new",
          kFailed,
          "latin1.txt:1: byte 3 is not UTF-8");
}

}  // namespace
}  // namespace dure
