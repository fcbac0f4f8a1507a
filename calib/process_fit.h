// The residual process's hyper-parameters: maximum marginal likelihood with their priors.
#pragma once

#include <vector>

#include "calib/ingredients.h"
#include "calib/posterior.h"

namespace forerun {

/// The prior's median, with nothing of what is left out.
ResidualProcess default_process(const Ingredients& ingredients);

/// From `start`, by L-BFGS with analytic gradients on at most 60 rows of each of at most 500
/// series, spread evenly. Returns `start` if the search fails. Source of the gradient: Rasmussen &
/// Williams (2006), equation 5.9, with the network parameters marginalized.
ResidualProcess fit_process(const std::vector<Series>& series, const NetworkPrior& prior,
                            const ResidualProcess& start, const Ingredients& ingredients);

/// The same with its amplitudes as wide as what is not known of them makes the 90 % intervals: each
/// is log-normal around the likeliest, with the variance that the evidence's curvature there says
/// (Laplace's approximation; Rasmussen & Williams, section 3.4).
ResidualProcess with_uncertain_amplitudes(const ResidualProcess& likeliest,
                                          const std::vector<Series>& series,
                                          const NetworkPrior& prior,
                                          const Ingredients& ingredients);

}  // namespace forerun
