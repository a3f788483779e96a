#include "dure/parallel/pipeline/stage_module.h"

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw Error(
      "this program can't be run here: it asks for {}, of a "
      "pipeline that has none",
      what);
}

}  // namespace

Streams StageModule::backward(int /*chunk*/,
                              int /*micro_batch*/,
                              Streams /*d_y*/) {
  refuse("a backward");
}

Streams StageModule::backward_input(int /*chunk*/,
                                    int /*micro_batch*/,
                                    Streams /*d_y*/) {
  refuse("the first half of a backward");
}

void StageModule::backward_weights(int /*chunk*/, int /*micro_batch*/) {
  refuse("the second half of a backward");
}

void StageModule::update(int /*micro_batch*/) {
  refuse("an update within a step");
}

}  // namespace dure::parallel
