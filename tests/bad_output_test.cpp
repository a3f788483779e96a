// Output that can't be written, paths that exist already, leftovers, names that
// are no plain text, and input without an end. Runs the real program.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

struct BadOutput : TrainedFolder {
  static void SetUpTestSuite() {
    TrainedFolder::SetUpTestSuite();
    shell("cp -r run other");
  }
};

const std::vector<std::string> kPrinting = {
    "eval --checkpoint run --data text --json",
    "eval --checkpoint run --data text",
    "generate --checkpoint run --prompt x --tokens 3 --json",
    "generate --checkpoint run --prompt x --tokens 3",
    "report run --json",
    "report run other --json",
    "checkpoint show run",
    "checkpoint show run --json",
    "checkpoint verify run",
    "plan model config.toml --json",
    "plan schedule --stages 2 --micro-batches 4",
    "mesh --world 8",
    "mesh --world 8 --json",
    "doctor --json",
    "tokenizer encode --tokenizer bytes --text a",
    "tokenizer decode --tokenizer bytes --text 65",
    "train config.toml --print-config",
    "--version",
    "--help",
};

TEST_F(BadOutput, ThatDoesNotArriveIsAnError) {
  for (const std::string& command : kPrinting) {
    SCOPED_TRACE(command);
    for (const char* where : {" >/dev/full", " >&-"}) {
      const Outcome outcome = dure(command + where);
      EXPECT_EQ(outcome.exit_code, kFailed) << where;
      EXPECT_EQ(outcome.errors.find("error: "),
                outcome.errors.find("error: can't write to standard output: "))
          << outcome.errors;
      EXPECT_NE(outcome.errors.find("error: "), std::string::npos);
    }
  }
}

TEST_F(BadOutput, ThatNobodyReadsEndsQuietly) {
  for (const std::string& command : kPrinting) {
    SCOPED_TRACE(command);
    const Outcome outcome = shell(
        "mkfifo pipe; exec 3<>pipe; exec 4>pipe; exec 3<&-; rm pipe\n"
        "\"$DURE\" " +
        command + " >&4; echo $?");
    EXPECT_EQ(outcome.output, "141\n");
    EXPECT_EQ(outcome.errors.find("error"), std::string::npos)
        << outcome.errors;
  }
}

// A file of the program must not get the number of a closed output.
TEST_F(BadOutput, ThatIsClosedIsNoFileOfOurs) {
  const Outcome outcome = shell(
      "\"$DURE\" train config.toml --set log.directory=closed "
      "<&- >&- 2>&-; echo $?; \"$DURE\" checkpoint verify closed");
  EXPECT_EQ(outcome.output.substr(0, 2), "0\n") << outcome.errors;
  EXPECT_NE(outcome.output.find("is whole"), std::string::npos);
}

TEST_F(BadOutput, GoesThroughLinksAndIntoPipes) {
  const Outcome outcome = shell(R"(
echo old > target; chmod 640 target; ln -s target link; ln -s new dangling
for out in link dangling; do "$DURE" report run --out $out || echo failed; done
[ -L link ] && [ -L dangling ] && echo links
stat -c %a target; grep -c '</html>' target new
mkfifo fifo; grep -c '</html>' < fifo > counted & "$DURE" report run --out fifo
wait; cat counted; [ -p fifo ] && echo pipe
"$DURE" plan schedule --stages 2 --micro-batches 4 --schedule 1f1b \
  --svg /dev/stdout |
  grep -c '</svg>'
)");
  EXPECT_EQ(outcome.output,
            "link\ndangling\nlinks\n640\ntarget:1\nnew:1\nfifo\n1\npipe\n1\n")
      << outcome.errors;
}

TEST_F(BadOutput, LeavesADeviceADevice) {
  const Outcome outcome = shell(R"(
mknod null c 1 3 2>/dev/null && : > null 2>/dev/null || exit 77
"$DURE" report run --out null; [ -c null ] && echo device; rm null
)");
  if (outcome.exit_code == 77) {
    GTEST_SKIP() << "no right to make a device";
  }
  EXPECT_EQ(outcome.output, "null\ndevice\n") << outcome.errors;
}

TEST_F(BadOutput, IsNoDirectoryAndNoLoop) {
  shell("ln -s loop loop");
  refuses("report run --out run", kFailed, "run: it is a directory");
  refuses("report run --out loop", kFailed, "leads back to itself");
  refuses("report run --out absent/page", kFailed, "absent/page");
  refuses("preprocess --input text.jsonl --tokenizer bytes --output loop/x",
          kFailed,
          "loop/x");
}

// The file is given by its name, by another path to it, by a link and by a hard
// link.
TEST_F(BadOutput, IsNotWhatTheCommandReads) {
  shell(
      "cp text.bin apart.bin; cp text.idx apart.idx; cp text.jsonl lines.idx; "
      "ln -s run/metrics.jsonl to_metrics; ln run/config.toml linked.toml; "
      "cp config.toml small.toml; mkdir -p tok; echo '{}' > tok/x.bin");
  const auto before = shell("find . -type f | sort | xargs sha256sum").output;
  for (const char* command :
       {"report run --out run/metrics.jsonl",
        "report run --out run/../run/config.toml",
        "report run --out run/memory.json",
        "report run --out run/run.json",
        "report run --out to_metrics",
        "report run --out linked.toml",
        "report run other --out other/metrics.jsonl",
        "tokenizer train --input text.jsonl --output text.jsonl",
        "tokenizer train --input text.jsonl lines.idx --output ./lines.idx",
        "preprocess --input text.jsonl lines.idx --tokenizer bytes --output "
        "lines",
        "preprocess --input text.jsonl --tokenizer tok/x.bin --output tok/x",
        "preprocess --merge text apart --output apart",
        "preprocess --merge text apart --output ./text",
        "plan profile small.toml --out small.toml"}) {
    refuses(command, kUsage, "is what this command reads");
  }
  refuses(
      "convert --from dure run/checkpoints/step_00000002 --to hf "
      "run/checkpoints/step_00000002",
      kFailed,
      "step_00000002");
  EXPECT_EQ(shell("find . -type f | sort | xargs sha256sum").output, before);
}

// Each of these works for some seconds or minutes first.
TEST_F(BadOutput, ThatCanNotBeWrittenIsFoundBeforeTheWork) {
  const std::string limit = "ulimit -t 2";
  refuses("plan profile config.toml --rounds 1000 --out absent/profile.json",
          kFailed,
          "absent/profile.json",
          limit);
  for (const char* option : {"--csv", "--plot"}) {
    refuses(std::string("bench comm --ranks 2 --seconds 100 --to 1KiB "
                        "--collective all_reduce ") +
                option + " absent/x",
            kFailed,
            "absent/x",
            limit);
  }
}

TEST_F(BadOutput, OfSeveralRunsNeedsThemAll) {
  shell("mkdir begun; cp run/config.toml begun; ln -s run same");
  refuses("report run absent", kFailed, "absent has no config.toml");
  refuses("report run begun", kFailed, "begun has no step");
  refuses("report run same", kUsage, "run and same, which are one directory");
  refuses("report run other --step 1", kUsage, "wanted one RUN for --step");
  refuses("report a b c d e f g h i", kUsage, "wanted up to 8 runs");
  refuses("report run --scale logarithmic", kUsage, "--scale");
  refuses("report run --smooth -1", kUsage, "--smooth");
  shell("cp -r run broken; echo '[{}]' > broken/run.json");
  refuses("report run broken", kFailed, "broken/run.json: start 1 is none");
  const Outcome both = dure("report run other");
  EXPECT_EQ(both.output, "run/comparison.html\n") << both.errors;
  EXPECT_NE(read("run/comparison.html").find("Loss by tokens"),
            std::string::npos);
}

TEST_F(BadOutput, OfARunDestroysNoConfiguration) {
  write("own/config.toml", kConfig);
  refuses("train own/config.toml --set log.directory=own",
          kFailed,
          "choose another log.directory");
  EXPECT_EQ(read("own/config.toml"), kConfig);
}

TEST_F(BadOutput, OfARunMeetsNoPipe) {
  shell("mkdir piped; mkfifo piped/metrics.jsonl");
  refuses("train config.toml --set log.directory=piped",
          kFailed,
          "piped/metrics.jsonl is a directory or a pipe");
}

TEST_F(BadOutput, ThatAKilledRunLeftIsRemoved) {
  const Outcome outcome = shell(R"(
run="$DURE train config.toml --set log.directory=killed"
$run 2>/dev/null || echo failed
h=$(uname -n)
for f in killed/config.toml killed/metrics.jsonl text.gpt-0123456789abcdef.index
do echo half > $f.tmp.4194999.0; done
echo half > killed/.memory.json.tmp.$h.4194999.0
echo half > .text.gpt-0123456789abcdef.index.tmp.$h.4194999.0
mkdir -p killed/checkpoints/.step_00000001.tmp.$h.4194999
mkdir -p killed/checkpoints/.step_00000001.tmp.$h.4194999.7
echo half > killed/.memory.json.tmp.elsewhere.4194999.0
$run --resume --set train.steps=3 2>/dev/null || echo failed
find . -name '*.tmp.*'
)");
  EXPECT_EQ(outcome.output, "./killed/.memory.json.tmp.elsewhere.4194999.0\n")
      << outcome.errors;
}

// Errors and tables are read on a terminal.
TEST_F(BadOutput, ShowsNamesAsText) {
  const std::string escape = "\033]0;owned\007\033[2J";
  write("escape.toml", "[model]\n\"lay\\u001B[2Jers\" = 3\n");
  write("value.toml", "[model]\nlayers = \"\\u001B[2J\"\n");
  write("broken.toml", "[model]\nlayers = " + escape + "\n");
  write("metrics/config.toml", read("run/config.toml"));
  write("metrics/metrics.jsonl", escape + "\n");
  write("tokenizer.json", "{\"model\": \"" + escape + "\"}");
  write("foreign/config.json", "{\"model_type\": \"\\u001b[2J\"}");
  write("foreign/model.safetensors",
        std::string("\x40\0\0\0\0\0\0\0", 8) +
            "{\"\\u001b[2J\":{\"dtype\":\"\\u001b[2J\",\"shape\":[],"
            "\"data_offsets\":[0,0]}} ");
  for (const std::string& command : std::vector<std::string>{
           "train escape.toml",
           "train value.toml",
           "train broken.toml",
           "train config.toml --set 'model.\033[2J=1'",
           "train config.toml --set 'model.layers=\033[2J'",
           "'\033[2J'",
           "train '\033[2J.toml'",
           "report metrics",
           "tokenizer encode --tokenizer tokenizer.json --text x",
           "convert --from hf foreign --to dure new"}) {
    SCOPED_TRACE(command);
    const Outcome outcome = dure(command);
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_EQ(outcome.errors.find('\033'), std::string::npos) << outcome.errors;
    EXPECT_EQ(outcome.output.find('\033'), std::string::npos) << outcome.output;
  }
}

TEST_F(BadOutput, InputWithoutAnEndHasABound) {
  refuses("train /dev/zero", kFailed, "/dev/zero has more than");
  refuses("generate --checkpoint run --prompt-file /dev/zero",
          kFailed,
          "/dev/zero is full of zero bytes");
  refuses("tokenizer encode --tokenizer bytes </dev/zero",
          kFailed,
          "standard input is full of zero bytes");
  refuses("tokenizer encode --tokenizer bytes --file run",
          kFailed,
          "Is a directory");
}

TEST_F(BadOutput, OfACheckpointIsNoPipe) {
  shell(
      "mkdir -p piping/step_00000001; "
      "mkfifo piping/step_00000001/manifest.json");
  refuses("checkpoint verify piping/step_00000001", kFailed, "manifest.json");
  shell(
      "cp -r run/checkpoints/step_00000002 pipes; rm pipes/model.safetensors"
      "; mkfifo pipes/model.safetensors");
  refuses("checkpoint verify pipes", kFailed, "model.safetensors");
}

TEST_F(BadOutput, PastALimitOnFilesIsAnError) {
  const Outcome outcome =
      dure("preprocess --input text.jsonl --tokenizer bytes --output limited",
           "ulimit -f 1");
  EXPECT_EQ(outcome.exit_code, kFailed) << outcome.errors;
  EXPECT_NE(outcome.errors.find("File too large"), std::string::npos)
      << outcome.errors;
}

TEST_F(BadOutput, NamesThatNoFileCanHaveAreSaid) {
  const std::string name(300, 'x');
  refuses("checkpoint verify " + name, kFailed, "File name too long");
  refuses("report " + name, kFailed, "File name too long");
  refuses("tokenizer encode --text x --tokenizer " + name + ".json",
          kFailed,
          "File name too long");
  refuses("train config.toml --set 'log.directory=\"\"'",
          kUsage,
          "log.directory: wanted");
}

}  // namespace
}  // namespace dure
