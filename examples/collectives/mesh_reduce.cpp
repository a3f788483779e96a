// The mesh's groups: a reduce within the tensor group alone, on tensor 2 x
// pipeline 2 (Megatron's mpu).
#include "dure/mesh/mesh.h"
#include "examples/collectives/show.h"

using namespace learn;  // NOLINT(google-build-using-namespace): short
using dure::mesh::Axis;
using dure::mesh::Mesh;

int main() {
  return run(4, [](Communicator& comm) {
    const Mesh mesh({.pipe = 2, .tensor = 2});
    const int rank = comm.rank();
    show_text(comm,
              "where each rank stands",
              "tensor " + std::to_string(mesh.coordinate(rank, Axis::kTensor)) +
                  ", pipeline " +
                  std::to_string(mesh.coordinate(rank, Axis::kPipe)));
    const auto tensor =
        comm.split(mesh.group(rank, {Axis::kTensor}).front(), rank, "tensor");

    std::vector<float> x = {2, 3, 4, 5};
    for (float& element : x) {
      element *= static_cast<float>(rank);
    }
    show(comm, "before: [2 3 4 5] * rank", tensor_of(x));
    tensor->run(host(),
                dure::comm::AllReduce{.y = tensor_of(x), .x = tensor_of(x)});
    show(comm, "after all_reduce along the tensor axis", tensor_of(x));
  });
}
