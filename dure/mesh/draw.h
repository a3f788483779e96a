// A mesh as text: a grid of ranks for each pipeline stage.
//
//              stage 0       stage 1
//     tensor   0  1          0  1
//     data 0  [0  1] a   -> [4 |5] a,b
//     data 1  [2  3] a   -> [6  7] b
//
// A row of a grid is one tensor group; behind it stand its nodes, and a | where
// one node ends and another begins.
#pragma once

#include <string>
#include <vector>

#include "dure/mesh/mesh.h"
#include "dure/mesh/topology.h"

namespace dure::mesh {

// Draws the nodes of `topology`, by mesh rank, if it has ranks. Stages stand
// side by side, as many as go into `columns`, the others below.
std::string draw(const Mesh& mesh,
                 const Topology& topology = {},
                 std::size_t columns = 80);

// "8 ranks = pipeline 2 x data 2 x tensor 2": the axes of more than one rank,
// outermost first.
std::string describe_sizes(const Mesh& mesh);

// "rank = tensor + 2 data + 4 pipeline".
std::string describe_order(const Mesh& mesh);

// "[0,1] [2,3] ...", in lines of at most `columns` that begin with two blanks.
std::string list(const std::vector<std::vector<int>>& groups,
                 std::size_t columns = 80);

}  // namespace dure::mesh
