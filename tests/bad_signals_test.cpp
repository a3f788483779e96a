// Signals, readers that go away and data that changes, in every state of a
// program. Runs the real program.
#include <string>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

// wait_for FILE waits until it exists and is not empty. ended PROCESS checks
// that it ends within 2 s, or 10 with a sanitizer.
constexpr const char* kWords = R"(
wait_for() { for i in $(seq 600); do [ -s "$1" ] && return; sleep 0.05; done; }
ended() {
  for i in $(seq $LIMIT); do kill -0 $1 2>/dev/null || return 0; sleep 0.1; done
  echo "still there"; kill -KILL $1; return 1
}
export OMP_NUM_THREADS=1
endless="--set train.steps=200000 --set checkpoint.every=0"
)";

struct BadSignals : TrainedFolder {
  static Outcome script(const std::string& lines) {
#ifdef DURE_SANITIZED
    const std::string limit = "LIMIT=100\n";
#else
    const std::string limit = "LIMIT=20\n";
#endif
    return shell(limit + kWords + lines);
  }
};

TEST_F(BadSignals, ARunSavesWhicheverItIs) {
  for (const std::string signal : {"TERM", "INT", "HUP", "USR1"}) {
    SCOPED_TRACE(signal);
    const Outcome outcome = script(
        "d=by_" + signal + R"(
"$DURE" train config.toml $endless --set log.directory=$d & p=$!
wait_for $d/metrics.jsonl; kill -)" +
        signal + R"( $p; ended $p; wait $p; echo "exit $?"; ls $d/checkpoints
)");
    EXPECT_NE(outcome.output.find("exit 0\nstep_"), std::string::npos)
        << outcome.output;
    EXPECT_NE(
        outcome.errors.find("SIG" + signal + ": stopping after this step"),
        std::string::npos)
        << outcome.errors;
  }
}

TEST_F(BadSignals, ARunOfSeveralRanksSavesToo) {
  const Outcome outcome = script(R"(
"$DURE" train config.toml --ranks 2 $endless --set log.directory=ranks & p=$!
wait_for ranks/metrics.jsonl; kill -TERM $p; ended $p; wait $p
echo "exit $?"; ls ranks/checkpoints
)");
  EXPECT_NE(outcome.output.find("exit 0\nstep_"), std::string::npos)
      << outcome.output << outcome.errors;
}

// timeout(1) sends its signal to the process, and to its group.
TEST_F(BadSignals, ARunSavesUnderTimeout) {
  const Outcome outcome = script(R"(
timeout 2 "$DURE" train config.toml $endless --set log.directory=timed
echo "exit $?"; ls timed/checkpoints
)");
  EXPECT_NE(outcome.output.find("exit 124\nstep_"), std::string::npos)
      << outcome.output << outcome.errors;
}

TEST_F(BadSignals, ARunUnderNohupGoesOnAtAHangup) {
  const Outcome outcome = script(R"(
(trap '' HUP; exec "$DURE" train config.toml $endless \
  --set log.directory=nohup) & p=$!
wait_for nohup/metrics.jsonl; kill -HUP $p; sleep 0.5
kill -0 $p && echo "goes on"; kill -TERM $p; ended $p; wait $p; echo "exit $?"
)");
  EXPECT_EQ(outcome.output, "goes on\nexit 0\n") << outcome.errors;
}

// The step takes minutes: the program says at once what will happen, and a
// second signal ends it at once.
TEST_F(BadSignals, ALongStepIsAnsweredAndEndedByTheSecond) {
  const Outcome outcome = script(R"(
"$DURE" train config.toml --set train.steps=1 --set train.global_batch=2000000 \
  --set log.directory=long 2>long.err & p=$!
wait_for long/config.toml; sleep 0.5; kill -TERM $p; sleep 0.5
grep -c "stopping after this step" long.err
kill -TERM $p; ended $p; wait $p; echo "exit $?"; grep -c "again" long.err
)");
  EXPECT_EQ(outcome.output, "1\nexit 143\n1\n") << read("long.err");
}

TEST_F(BadSignals, AnEvaluationWithinARunIsBrokenOff) {
  const Outcome outcome = script(R"(
"$DURE" train config.toml $endless --set log.directory=evaluating \
  --set data.validation=text --set train.evaluate_every=1 \
  --set train.evaluate_steps=1000000 2>evaluating.err & p=$!
wait_for evaluating/config.toml; sleep 1; kill -USR1 $p
ended $p; wait $p; echo "exit $?"; ls evaluating/checkpoints
)");
  EXPECT_NE(outcome.output.find("exit 0\nstep_00000001"), std::string::npos)
      << outcome.output << read("evaluating.err");
  EXPECT_NE(read("evaluating.err").find("breaking off"), std::string::npos);
}

// There is nothing to keep: it ends by the signal, and leaves nothing.
TEST_F(BadSignals, WhoeverWaitsForAPipeEnds) {
  const auto before = files();
  const Outcome outcome = script(R"(
try() {
  mkfifo fifo; "$DURE" "$@" 2>waiting.err >/dev/null & p=$!; sleep 0.5
  kill -$signal $p; ended $p; wait $p; echo "exit $?"
  grep -c "SIG$signal: ending now" waiting.err; rm fifo waiting.err
}
signal=TERM; try train fifo
signal=INT; try preprocess --input fifo --tokenizer bytes --output piped
signal=HUP; try tokenizer train --input fifo --vocabulary 300 --output t.json
signal=USR1; try generate --checkpoint run --prompt-file fifo
signal=TERM; try report run --out fifo
)");
  EXPECT_EQ(outcome.output,
            "exit 143\n1\nexit 130\n1\nexit 129\n1\nexit 138\n1\nexit 143\n1\n")
      << outcome.errors;
  EXPECT_EQ(files(), before);
}

TEST_F(BadSignals, ARunGoesOnWhereNobodyReadsItsProgress) {
  const Outcome outcome = script(R"(
mkfifo progress; exec 3<>progress; exec 4>progress; exec 3<&-
"$DURE" train config.toml --set train.on_nonfinite=skip \
  --set optimizer.learning_rate=1e30 --set train.steps=20 \
  --set log.directory=alone 2>&4
echo "exit $?"; ls alone/checkpoints
)");
  EXPECT_NE(outcome.output.find("exit 0\nstep_00000020"), std::string::npos)
      << outcome.output;
}

// Every read of a sample checks the size; process_test has the case of a page
// that is gone all the same.
TEST_F(BadSignals, DataThatIsCutEndsTheRunWithItsName) {
  const Outcome outcome = script(R"(
cp text.bin cut.bin; cp text.idx cut.idx
"$DURE" train config.toml $endless --set data.train=cut \
  --set log.directory=cut 2>cut.err & p=$!
wait_for cut/metrics.jsonl; truncate -s 100 cut.bin
ended $p; wait $p; echo "exit $?"
)");
  EXPECT_EQ(outcome.output, "exit 1\n");
  EXPECT_NE(read("cut.err").find("cut.bin had "), std::string::npos)
      << read("cut.err");
}

TEST_F(BadSignals, DataThatIsReplacedByARenameHarmsNoRun) {
  const Outcome outcome = script(R"(
cp text.bin moved.bin; cp text.idx moved.idx; head -c 100 text.bin > other
"$DURE" train config.toml $endless --set data.train=moved \
  --set log.directory=moved & p=$!
wait_for moved/metrics.jsonl; mv other moved.bin; sleep 0.3
kill -TERM $p; ended $p; wait $p; echo "exit $?"
)");
  EXPECT_EQ(outcome.output, "exit 0\n") << outcome.errors;
}

// The terminal was stopped, or nobody scrolls the pager.
TEST_F(BadSignals, AreHeardWhereNobodyReadsWhatIsSaid) {
  const Outcome outcome = shell(
      "mkfifo full; sleep 60 <full & reader=$!; exec 3>full\n"
      "timeout 0.3 cat /dev/zero >&3\n"
      "$DURE train config.toml --set log.directory=unread --set "
      "train.steps=1000000 --set checkpoint.every=0 2>&3 & run=$!\n"
      "until [ -s unread/metrics.jsonl ]; do sleep 0.05; done\n"
      "kill -TERM $run\n"
      "for i in $(seq 100); do kill -0 $run 2>/dev/null || break; sleep 0.1; "
      "done\n"
      "kill -KILL $reader; wait $run; echo $?");
  EXPECT_EQ(outcome.output, "0\n") << outcome.errors;
  EXPECT_EQ(dure("checkpoint verify unread").exit_code, 0);
}

}  // namespace
}  // namespace dure
