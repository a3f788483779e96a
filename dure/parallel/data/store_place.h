// Where a store's tensors are: what its weights and gradients share.
#pragma once

#include <span>

#include "dure/nn/parameter.h"
#include "dure/parallel/data/bucket_plan.h"
#include "dure/parallel/data/replica_groups.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

// A rank's tensors, and where they run; all of it outlives this.
struct StorePlace {
  Stream& stream;
  Arena& arena;
  const BucketPlan& plan;
  std::span<const ReplicaGroups> groups;  // by Bucket::replicas
  const Parts& parts;                     // this rank's
  nn::ParameterSet& parameters;

  // The types in which the gradients of weights are accumulated and sent.
  DType gradient;
  DType reduce;

  const Bucket& bucket(int b) const { return plan.buckets[b]; }
  const ReplicaGroups& groups_of(int b) const {
    return groups[bucket(b).replicas];
  }
  mesh::Part part(int b) const { return parts[bucket(b).replicas]; }

  // The weights of a store have one type.
  DType value_type() const { return parameters.all().front().value.dtype(); }

  // A bucket in a tensor of all buckets; this rank's part of a bucket in one;
  // and that part in a tensor of this rank's parts.
  Tensor bucket_in(const Tensor& all, int b) const;
  Tensor part_in(const Tensor& all, int b) const;
  Tensor part_in_parts(const Tensor& all_parts, int b) const;

  // Points the values or the gradients of a bucket's weights into `memory`, or
  // nowhere if that is empty.
  void point(int b, Tensor nn::Parameter::*which, Tensor memory) const;
};

}  // namespace dure::parallel
