#include "dure/comm/mpi/control.h"

#include <algorithm>
#include <cstring>

namespace dure::comm {
namespace {

// A table of a thousand ranks, or a flight recorder, fits; longer texts are
// cut.
constexpr std::size_t kTextBytes = 60'000;

// The fixed part; the texts follow.
struct Head {
  Notice::Kind kind;
  bool arrived;
  bool waits;
  std::uint64_t channel;
  std::uint64_t number;
  double seconds;  // of doing, like `ago`
  double ago;
  std::uint32_t what_bytes;
  std::uint32_t text_bytes;
  std::uint32_t calls_bytes;
};
constexpr std::size_t kInboxBytes = sizeof(Head) + 3 * kTextBytes;

std::vector<char> encode(const Notice& notice) {
  const std::string what = notice.doing.what.substr(0, kTextBytes);
  const std::string text = notice.text.substr(0, kTextBytes);
  const std::string calls = notice.calls.substr(0, kTextBytes);
  const Head head{.kind = notice.kind,
                  .arrived = notice.arrived,
                  .waits = notice.doing.waits,
                  .channel = notice.channel,
                  .number = notice.number,
                  .seconds = notice.doing.seconds,
                  .ago = notice.doing.ago,
                  .what_bytes = static_cast<std::uint32_t>(what.size()),
                  .text_bytes = static_cast<std::uint32_t>(text.size()),
                  .calls_bytes = static_cast<std::uint32_t>(calls.size())};
  std::vector<char> bytes(sizeof head);
  std::memcpy(bytes.data(), &head, sizeof head);
  bytes.insert(bytes.end(), what.begin(), what.end());
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.insert(bytes.end(), calls.begin(), calls.end());
  return bytes;
}

Notice decode(const std::vector<char>& bytes, int from) {
  Head head;
  std::memcpy(&head, bytes.data(), sizeof head);
  const char* const what = bytes.data() + sizeof head;
  const char* const text = what + head.what_bytes;
  const char* const calls = text + head.text_bytes;
  return {.kind = head.kind,
          .arrived = head.arrived,
          .from = from,
          .channel = head.channel,
          .number = head.number,
          .doing = {.what = std::string(what, head.what_bytes),
                    .seconds = head.seconds,
                    .ago = head.ago,
                    .waits = head.waits},
          .text = std::string(text, head.text_bytes),
          .calls = std::string(calls, head.calls_bytes)};
}

}  // namespace

Control::Control(MPI_Comm world) : inbox_(kInboxBytes) {
  DURE_MPI(MPI_Comm_dup(world, &comm_));
  DURE_MPI(MPI_Comm_rank(comm_, &rank_));
  listen();
}

void Control::listen() {
  DURE_MPI(MPI_Irecv(inbox_.data(),
                     static_cast<int>(inbox_.size()),
                     MPI_BYTE,
                     MPI_ANY_SOURCE,
                     0,
                     comm_,
                     &receiving_));
}

void Control::send(int to, const Notice& notice) {
  Sending& sending = sending_.emplace_back();
  sending.bytes = encode(notice);
  DURE_MPI(MPI_Isend(sending.bytes.data(),
                     static_cast<int>(sending.bytes.size()),
                     MPI_BYTE,
                     to,
                     0,
                     comm_,
                     &sending.request));
}

void Control::poll(const std::function<void(const Notice&)>& handle) {
  sending_.remove_if([](Sending& sending) {
    int done = 0;
    DURE_MPI(MPI_Test(&sending.request, &done, MPI_STATUS_IGNORE));
    return done != 0;
  });
  while (true) {
    int done = 0;
    MPI_Status status;
    DURE_MPI(MPI_Test(&receiving_, &done, &status));
    if (done == 0) {
      return;
    }
    const Notice notice = decode(inbox_, status.MPI_SOURCE);
    listen();
    handle(notice);
  }
}

void Control::close() {
  DURE_MPI(MPI_Cancel(&receiving_));
  DURE_MPI(MPI_Wait(&receiving_, MPI_STATUS_IGNORE));
  DURE_MPI(MPI_Comm_free(&comm_));
}

}  // namespace dure::comm
