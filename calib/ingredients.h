// Parts of the method that can be left out, to see what each is worth: `accuracy --without NAME`
// prints the tables of calib/README.md and calib/TRIED.md. A calibration that is used has them all.
#pragma once

#include <array>

namespace forerun {

struct Ingredients {
  bool process = true;         ///< the residual process; without it the formulas answer alone
  bool placement = true;       ///< what one placement has to itself
  bool two_nodes = true;       ///< the hypothesis that two nodes differ from more
  bool congestion = true;      ///< more nodes, slower links
  bool nic_sharing = true;     ///< ranks of a node share its link
  bool outliers = true;        ///< rows that nothing expects count for less
  bool own_amplitudes = true;  ///< a workload may miss the formulas by more than the others
  bool amplitudes = true;      ///< what is not known of the process's amplitudes widens intervals
  bool misses = true;          ///< what the second fit missed widens or narrows intervals
};

struct Ingredient {
  const char* name;
  bool Ingredients::*member;
};
inline constexpr std::array<Ingredient, 9> kIngredients = {{
    {"process", &Ingredients::process},
    {"placement", &Ingredients::placement},
    {"two-nodes", &Ingredients::two_nodes},
    {"congestion", &Ingredients::congestion},
    {"nic-sharing", &Ingredients::nic_sharing},
    {"outliers", &Ingredients::outliers},
    {"own-amplitudes", &Ingredients::own_amplitudes},
    {"amplitudes", &Ingredients::amplitudes},
    {"misses", &Ingredients::misses},
}};

}  // namespace forerun
