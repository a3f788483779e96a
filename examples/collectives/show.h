// Helpers of the programs here: four ranks, and pictures of their tensors.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace learn {

using dure::Shape;
using dure::Tensor;
using dure::comm::Communicator;

// The stream of this rank, a thread: a collective begins after it, and it waits
// for the collective.
dure::Stream& host();

// Runs `body` on so many ranks, each a thread. Returns main()'s result.
int run(int ranks, const std::function<void(Communicator&)>& body);

// Rank 0 prints a line for every rank; all ranks make the same call.
void show(Communicator& comm, const std::string& title, const Tensor& values);

// Prints a line of text for every rank.
void show_text(Communicator& comm,
               const std::string& title,
               const std::string& text);

// Prints on rank 0.
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
