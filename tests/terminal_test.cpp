// The output for a user at a terminal. Runs the real program, and on a terminal
// of its own where the width matters.
#include <csignal>
#include <cstdlib>
#include <functional>
#include <pty.h>
#include <regex>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

// The program on a terminal of so many columns. `watch` sees its output, and
// may resize the terminal or signal the program.
class Terminal {
 public:
  Terminal(const std::string& folder,
           std::vector<std::string> arguments,
           unsigned short columns,
           const char* no_color = nullptr) {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = columns;
    process_ = ::forkpty(&descriptor_, nullptr, nullptr, &size);
    if (process_ != 0) {
      return;
    }
    ::setenv("TERM", "xterm", 1);
    no_color == nullptr ? ::unsetenv("NO_COLOR")
                        : ::setenv("NO_COLOR", no_color, 1);
    arguments.insert(arguments.begin(), DURE_BINARY);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) {
      pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    if (::chdir(folder.c_str()) == 0) {
      ::execv(DURE_BINARY, pointers.data());
    }
    ::_exit(99);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::close(descriptor_);
    ::waitpid(process_, nullptr, 0);
  }

  void resize(unsigned short columns) const {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = columns;
    ::ioctl(descriptor_, TIOCSWINSZ, &size);
  }

  void signal(int number) const { ::kill(process_, number); }

  // All output until it ends.
  std::string text(const std::function<void(const std::string&)>& watch = {}) {
    std::string all;
    char piece[4096];
    for (ssize_t count = 0;
         (count = ::read(descriptor_, piece, sizeof piece)) > 0;) {
      all.append(piece, static_cast<std::size_t>(count));
      if (watch) {
        watch(all);
      }
    }
    return all;
  }

 private:
  int descriptor_ = -1;
  pid_t process_ = -1;
};

// The redrawn progress lines, in order: the text between a return of the cursor
// and the next.
std::vector<std::string> redrawn(const std::string& text) {
  const std::regex drawn("\r\033\\[K([^\r\n]*)(?=\r\033)");
  std::vector<std::string> lines;
  for (std::sregex_iterator at(text.begin(), text.end(), drawn), end; at != end;
       ++at) {
    lines.push_back((*at)[1]);
  }
  return lines;
}

struct TerminalTest : TrainedFolder {
  static std::vector<std::string> train(const std::string& directory,
                                        const std::string& steps) {
    return {"train",
            "config.toml",
            "--set",
            "log.directory=" + directory,
            "--set",
            "train.steps=" + steps,
            "--set",
            "checkpoint.every=0"};
  }
};

TEST_F(TerminalTest, AProgressLineFitsTheWidthItHasNow) {
  Terminal terminal(folder(), train("narrow", "200000"), 80);
  std::size_t drawn_before = 0;
  int resized = 0;
  const std::string text = terminal.text([&](const std::string& so_far) {
    const std::size_t drawn = redrawn(so_far).size();
    if (resized == 0 && drawn >= 3) {
      terminal.resize(40);
      drawn_before = drawn;
      resized = 1;
    } else if (resized == 1 && drawn >= drawn_before + 4) {
      terminal.signal(SIGINT);
      resized = 2;
    }
  });
  const std::vector<std::string> lines = redrawn(text);
  ASSERT_GE(lines.size(), 7U) << text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_LT(lines[i].size(), i < drawn_before + 1 ? 80U : 40U) << lines[i];
    EXPECT_TRUE(lines[i].starts_with("train  ")) << lines[i];
    EXPECT_NE(lines[i].find(" %"), std::string::npos) << lines[i];
  }
  EXPECT_NE(lines[1].find("  step "), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find(" left  "), std::string::npos) << lines[1];
}

TEST_F(TerminalTest, AStoppedRunSaysSoAndTheNextCountsTheWhole) {
  Terminal first(folder(), train("stopped", "200000"), 80);
  bool asked = false;
  const std::string text = first.text([&](const std::string& so_far) {
    if (!asked && redrawn(so_far).size() >= 2) {
      asked = true;
      first.signal(SIGINT);
    }
  });
  EXPECT_NE(text.find("\033[1;33mstopped\033[0m after "), std::string::npos)
      << text;
  EXPECT_EQ(text.find("done"), std::string::npos) << text;

  // Half of the steps were made before, so the share begins there.
  std::smatch found;
  const std::regex last_step("step (\\d+)/200000");
  std::string at = text;
  long step = 0;
  while (std::regex_search(at, found, last_step)) {
    step = std::stol(found[1]);
    at = found.suffix();
  }
  ASSERT_GT(step, 0);
  std::vector<std::string> again =
      train("stopped", std::to_string(step * 3 / 2 + 100));
  again.emplace_back("--resume");
  Terminal second(folder(), again, 80);
  const std::vector<std::string> lines = redrawn(second.text());
  ASSERT_FALSE(lines.empty());
  EXPECT_GT(std::stod(lines[0].substr(5)), 30) << lines[0];
}

TEST_F(TerminalTest, HasColoursUnlessTheyAreUnwanted) {
  const auto error_on = [](const char* no_color) {
    return Terminal(folder(), {"trian"}, 80, no_color).text();
  };
  EXPECT_TRUE(error_on(nullptr).starts_with("\033[1;31merror:\033[0m unknown"));
  EXPECT_TRUE(error_on("").starts_with("\033[1;31merror:"));
  EXPECT_TRUE(error_on("1").starts_with("error: unknown"));
  EXPECT_TRUE(dure("trian").errors.starts_with("error: unknown"));
  EXPECT_EQ(
      Terminal(folder(), train("plain", "5"), 80, "1").text().find("\033[1;"),
      std::string::npos);
}

TEST_F(TerminalTest, ARunSaysWhatItIsBeforeItsFirstStep) {
  const std::string text =
      dure("train config.toml --set log.directory=said").errors;
  const char* const wanted[] = {
      "model   gpt of 1 layers x 16, 2 heads, vocabulary 257: 7.",
      "batch   2 samples x 16 = 32 tokens a step, in micro-batches of 2; 2",
      "ranks   1 rank; ",
      "memory  ",
      " MiB predicted for a rank, ",
      " MiB allowed",
      "files   said; a checkpoint every 1000 steps and at the end"};
  std::size_t at = 0;
  for (const char* line : wanted) {
    const std::size_t next = text.find(line, at);
    ASSERT_NE(next, std::string::npos) << line << "\n" << text;
    at = next;
  }
  EXPECT_NE(text.find("train  ", at), std::string::npos) << text;
}

TEST_F(TerminalTest, HelpIsWhateverAsksForIt) {
  const std::string help = dure("--help").output;
  EXPECT_NE(help.find("Usage: dure"), std::string::npos);
  EXPECT_EQ(dure("").output, help);
  EXPECT_EQ(dure("").exit_code, 0);
  EXPECT_EQ(dure("help").output, help);
  EXPECT_EQ(dure("-h").output, help);
  EXPECT_EQ(dure("help plan model").output, dure("plan model --help").output);
  EXPECT_EQ(dure("-V").output, dure("--version").output);
  refuses(
      "help trian", kUsage, "unknown command \"trian\"; did you mean train?");
}

TEST_F(TerminalTest, SuggestsWhatIsNearAndNothingElse) {
  refuses("trian", kUsage, "unknown command \"trian\"; did you mean train?");
  refuses("xyzzy", kUsage, "unknown command \"xyzzy\"; wanted train, eval, ");
  refuses("train config.toml --set model.hiden=3",
          kUsage,
          "unknown key model.hiden; did you mean model.hidden?");
  refuses("train config.toml --set foo.bar=3",
          kUsage,
          "unknown key foo.bar; --print-config shows all there are");
}

TEST_F(TerminalTest, AnErrorNamesNoLineOfOurs) {
  const std::regex source("\\.(cpp|h):\\d+");
  for (const char* arguments : {"train missing.toml",
                                "eval --checkpoint missing --data text",
                                "preprocess --input missing --tokenizer bytes "
                                "--output out"}) {
    const std::string errors = dure(arguments).errors;
    EXPECT_FALSE(std::regex_search(errors, source)) << errors;
  }
}

}  // namespace
}  // namespace dure
