// What the programs here share: four ranks, and pictures of what each has.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace learn {

using dure::Shape;
using dure::Tensor;
using dure::comm::Communicator;

// The stream of this rank, a thread: what a collective comes after, and what
// waits for it.
dure::Stream& host();

// Runs `body` on so many ranks, each a thread; what main() returns.
int run(int ranks, const std::function<void(Communicator&)>& body);

// Rank 0 prints a line for every rank: all call it alike.
void show(Communicator& comm, const std::string& title, const Tensor& values);

// A line of text of every rank.
void show_text(Communicator& comm,
               const std::string& title,
               const std::string& text);

// Rank 0 prints.
void say(Communicator& comm, const std::string& text);

template <typename T>
Tensor tensor_of(std::vector<T>& values, const Shape& shape) {
  return Tensor(values.data(), shape);
}
template <typename T>
Tensor tensor_of(std::vector<T>& values) {
  return Tensor(values.data(), {static_cast<std::int64_t>(values.size())});
}

}  // namespace learn
