#include "dure/comm/mpi/session.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "dure/base/check.h"

namespace dure::comm {
namespace {

const char* name_of_level(int level) {
  switch (level) {
    case MPI_THREAD_SINGLE:
      return "single";
    case MPI_THREAD_FUNNELED:
      return "funneled";
    case MPI_THREAD_SERIALIZED:
      return "serialized";
    default:
      return "multiple";
  }
}

// Numbers the nodes, each known by its lowest rank, in the order in which they
// appear.
std::vector<int> numbered(const std::vector<int>& leaders) {
  std::vector<int> seen;
  std::vector<int> nodes;
  for (const int leader : leaders) {
    const auto found = std::find(seen.begin(), seen.end(), leader);
    nodes.push_back(static_cast<int>(found - seen.begin()));
    if (found == seen.end()) {
      seen.push_back(leader);
    }
  }
  return nodes;
}

}  // namespace

Session::Session(MpiThreads threads) {
  start(threads);
  DURE_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  DURE_MPI(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN));
  DURE_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &world_));
  DURE_MPI(MPI_Comm_rank(world_, &facts_.rank));
  DURE_MPI(MPI_Comm_size(world_, &facts_.size));
  learn_places();
  learn_largest_tag();
}

void Session::start(MpiThreads threads) {
  int started = 0;
  DURE_MPI(MPI_Initialized(&started));
  guest_ = started != 0;
  int level = MPI_THREAD_SINGLE;
  if (guest_) {
    DURE_MPI(MPI_Query_thread(&level));
    DURE_CHECK(
        level == MPI_THREAD_MULTIPLE,
        "this program has started MPI with thread level {}, but dure's thread "
        "calls MPI beside it: wanted MPI_Init_thread with MPI_THREAD_MULTIPLE",
        name_of_level(level));
  } else {
    const int wanted = threads == MpiThreads::kFunneled ? MPI_THREAD_FUNNELED
                                                        : MPI_THREAD_SERIALIZED;
    DURE_MPI(MPI_Init_thread(nullptr, nullptr, wanted, &level));
  }
  any_thread_ =
      threads == MpiThreads::kSerialized &&
      (level == MPI_THREAD_SERIALIZED || level == MPI_THREAD_MULTIPLE);
  facts_.thread_level = name_of_level(level);
}

void Session::learn_places() {
  MPI_Comm node = MPI_COMM_NULL;
  DURE_MPI(MPI_Comm_split_type(
      world_, MPI_COMM_TYPE_SHARED, facts_.rank, MPI_INFO_NULL, &node));
  DURE_MPI(MPI_Comm_rank(node, &facts_.local_rank));
  DURE_MPI(MPI_Comm_size(node, &facts_.local_size));
  int leader = facts_.rank;
  DURE_MPI(MPI_Bcast(&leader, 1, MPI_INT, 0, node));
  std::vector<int> leaders(static_cast<std::size_t>(facts_.size));
  DURE_MPI(
      MPI_Allgather(&leader, 1, MPI_INT, leaders.data(), 1, MPI_INT, world_));
  DURE_MPI(MPI_Comm_free(&node));
  facts_.nodes = numbered(leaders);
}

void Session::learn_largest_tag() {
  int* tag = nullptr;
  int found = 0;
  DURE_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &tag, &found));
  if (found != 0) {
    largest_tag_ = *tag;
  }
}

void Session::finalize() {
  DURE_MPI(MPI_Comm_free(&world_));
  if (!guest_) {
    DURE_MPI(MPI_Finalize());
  }
}

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  DURE_MPI(MPI_Get_library_version(text, &length));
  int version = 0;
  int subversion = 0;
  DURE_MPI(MPI_Get_version(&version, &subversion));
  std::string name(text);
  // MPICH adds lines about how it was built.
  name = name.substr(0, name.find('\n'));
  std::replace(name.begin(), name.end(), '\t', ' ');
  return fmt::format("{}, MPI {}.{}", name, version, subversion);
}

}  // namespace dure::comm
