#include "dure/plan/stage_plan.h"

#include <numeric>

#include "dure/config/pipeline.h"
#include "dure/model/count.h"
#include "dure/model/flops.h"

namespace dure::plan {

std::vector<PipelineStage> plan_stages(const train::Config& config) {
  const train::Pipeline pipeline = train::pipeline_of(config);
  const auto counts = model::count(config.model, pipeline.stages);
  const std::vector<double> flops =
      model::flops_by_layer(config.model, config.data.sequence);
  const double all = std::accumulate(flops.begin(), flops.end(), 0.0);
  std::vector<PipelineStage> stages;
  for (std::size_t s = 0; s < pipeline.stages.size(); ++s) {
    const auto place = place_of(pipeline.schedule, static_cast<int>(s));
    const model::UnitRange units = pipeline.stages[s];
    const model::LayerRange layers =
        model::layers_of_units(config.model, units);
    const double here = std::accumulate(
        flops.begin() + layers.first, flops.begin() + layers.last, 0.0);
    stages.push_back({.rank = place.rank,
                      .chunk = place.chunk,
                      .units = units,
                      .layers = layers,
                      .parameters = counts[s].published,
                      .flops_share = here / all});
  }
  return stages;
}

}  // namespace dure::plan
