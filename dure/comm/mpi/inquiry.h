// Why an operation does not end: what its ranks say when asked.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "dure/comm/mpi/control.h"
#include "dure/comm/mpi/operation.h"

namespace dure::comm {

class Inquiry {
 public:
  // `own`: this rank's answer.
  Inquiry(std::shared_ptr<Operation> operation, const Notice& own);

  const std::shared_ptr<Operation>& operation() const { return operation_; }
  Notice question() const;
  void hear(const Notice& answer);

  // All have answered, or those that have not will not.
  bool over() const;

  // What is to be thrown.
  std::string table() const;
  // Into Options::flight_directory: a file for each rank that has answered.
  void write_flight_recorders() const;

 private:
  std::string line_of(int rank) const;

  std::shared_ptr<Operation> operation_;
  std::map<int, Notice> answers_;  // by rank of the world
  double until_;
};

}  // namespace dure::comm
