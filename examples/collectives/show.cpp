#include "examples/collectives/show.h"

#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>

#include "dure/launch/run_ranks.h"

namespace learn {
namespace {

using namespace dure;        // NOLINT(google-build-using-namespace)
using namespace dure::comm;  // NOLINT(google-build-using-namespace)

std::string number(const Tensor& values, std::int64_t i) {
  std::ostringstream out;
  if (values.dtype() == DType::kF32) {
    out << values.data<float>()[i];
  } else {
    out << values.data<std::int64_t>()[i];
  }
  return out.str();
}

// Rows of a matrix are shown one after another: [1 2 | 3 4].
std::string picture(const Tensor& values) {
  if (values.elements() == 0) {
    return "(nothing)";
  }
  const std::int64_t columns = values.shape()[values.shape().rank() - 1];
  std::string text = "[";
  for (std::int64_t i = 0; i < values.elements(); ++i) {
    text += i == 0 ? "" : i % columns == 0 ? " | " : " ";
    text += number(values, i);
  }
  return text + "]";
}

}  // namespace

Stream& host() {
  thread_local Stream stream = host_stream();
  return stream;
}

int run(int ranks, const std::function<void(Communicator&)>& body) {
  try {
    launch::run_ranks({.ranks = ranks}, body);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}

// Lines differ in length, so the lengths are gathered first, then the letters.
void show_text(Communicator& comm,
               const std::string& title,
               const std::string& text) {
  std::vector<std::int64_t> length = {static_cast<std::int64_t>(text.size())};
  Counts lengths(static_cast<std::size_t>(comm.size()));
  comm.run(host(), AllGather{.y = tensor_of(lengths), .x = tensor_of(length)});
  std::vector<std::uint8_t> mine(text.begin(), text.end());
  std::vector<std::uint8_t> all(
      static_cast<std::size_t>(offset_of(lengths, comm.size())));
  comm.run(
      host(),
      Gather{.y = tensor_of(all), .x = tensor_of(mine), .counts = lengths});
  if (comm.rank() != 0) {
    return;
  }
  std::printf("%s\n", title.c_str());
  for (int rank = 0; rank < comm.size(); ++rank) {
    const auto first = all.begin() + offset_of(lengths, rank);
    const std::string line(first,
                           first + lengths[static_cast<std::size_t>(rank)]);
    std::printf("  rank %d  %s\n", rank, line.c_str());
  }
}

void show(Communicator& comm, const std::string& title, const Tensor& values) {
  show_text(comm, title, picture(values));
}

void say(Communicator& comm, const std::string& text) {
  if (comm.rank() == 0) {
    std::printf("%s\n", text.c_str());
  }
}

}  // namespace learn
