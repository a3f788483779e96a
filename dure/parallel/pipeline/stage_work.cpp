#include "dure/parallel/pipeline/stage_work.h"

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw Error(concat("this program can't be run here: it asks for ",
                     what,
                     ", of a pipeline that has none"));
}

}  // namespace

Streams StageWork::backward(int /*chunk*/,
                            int /*micro_batch*/,
                            Streams /*d_y*/) {
  refuse("a backward");
}

Streams StageWork::backward_input(int /*chunk*/,
                                  int /*micro_batch*/,
                                  Streams /*d_y*/) {
  refuse("the first half of a backward");
}

void StageWork::backward_weights(int /*chunk*/, int /*micro_batch*/) {
  refuse("the second half of a backward");
}

void StageWork::update(int /*micro_batch*/) {
  refuse("an update within a step");
}

}  // namespace dure::parallel
