#include "dure/model/huggingface/rope.h"

#include <optional>
#include <string>

#include "dure/base/check.h"
#include "dure/model/huggingface/keys.h"

namespace dure::model {
namespace {

constexpr double kDefaultTheta = 10000;

void check_whole_head(const JsonFields& fields) {
  const double share = fields.number_or("partial_rotary_factor", 1);
  DURE_CHECK(share == 1,
             "{}: partial_rotary_factor is {:g}; Dure turns whole heads (1)",
             fields.source(),
             share);
}

// Positions divided by 1 are not scaled either.
bool is_plain(const std::string& type, const JsonFields& rope) {
  return type == "default" || (type == "linear" && rope.number("factor") == 1);
}

// If both spellings of the type are present, Transformers' versions differ in
// which one they read.
void check_type(const JsonFields& rope) {
  for (const char* key : {"rope_type", "type"}) {
    DURE_CHECK(is_plain(rope.text_or(key, "default"), rope),
               "{}: {} is {}; Dure has only plain RoPE, \"default\"",
               rope.source(),
               key,
               rope.shown(key));
  }
  DURE_CHECK(rope.number_or("factor", 1) == 1,
             "{}: factor is {}; Dure has only plain RoPE, which does not scale "
             "positions",
             rope.source(),
             rope.shown("factor"));
}

// The base that all places agree on.
class Theta {
 public:
  void take(const JsonFields& fields) {
    if (!fields.has("rope_theta")) {
      return;
    }
    const double here = fields.number("rope_theta");
    DURE_CHECK(value_.value_or(here) == here,
               "{}: rope_theta is {}, but elsewhere in the file {}; leave the "
               "one that the model was trained with",
               fields.source(),
               fields.shown("rope_theta"),
               shown_);
    value_ = here;
    shown_ = fields.shown("rope_theta");
  }
  double value() const { return value_.value_or(kDefaultTheta); }

 private:
  std::optional<double> value_;
  std::string shown_;
};

}  // namespace

double rope_theta_of(const JsonFields& fields) {
  check_whole_head(fields);
  Theta theta;
  theta.take(fields);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (fields.has(key)) {
      const JsonFields rope(fields.object(key), fields.source() + ": " + key);
      check_type(rope);
      check_whole_head(rope);
      theta.take(rope);
      check_all_read(rope);
    }
  }
  return theta.value();
}

}  // namespace dure::model
