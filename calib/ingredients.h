// Parts of the method that can be left out, to see what each is worth: `accuracy --without NAME`
// prints the tables of calib/README.md. A calibration that is used has them all.
#pragma once

#include <array>

namespace forerun {

struct Ingredients {
  bool process = true;      ///< the residual process; without it the formulas answer alone
  bool placement = true;    ///< what one placement has to itself
  bool two_nodes = true;    ///< the hypothesis that two nodes differ from more
  bool congestion = true;   ///< more nodes, slower links
  bool nic_sharing = true;  ///< ranks of a node share its link
  bool outliers = true;     ///< rows that nothing expects count for less
};

struct Ingredient {
  const char* name;
  bool Ingredients::*member;
};
inline constexpr std::array<Ingredient, 6> kIngredients = {{
    {"process", &Ingredients::process},
    {"placement", &Ingredients::placement},
    {"two-nodes", &Ingredients::two_nodes},
    {"congestion", &Ingredients::congestion},
    {"nic-sharing", &Ingredients::nic_sharing},
    {"outliers", &Ingredients::outliers},
}};

}  // namespace forerun
