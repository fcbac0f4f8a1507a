// The zoo as a table: needs LibTorch, which the other results do not.

#include <cstdio>
#include <iostream>

#include "measure/summary.h"
#include "measure/zoo/zoo.h"
#include "model/io/command_line.h"
#include "model/io/json_reader.h"

namespace forerun {

void print_models(bool json) {
  Json rows = Json::array();
  if (!json) std::cout << "model         parameters   gradients     FLOP/sample  input\n";
  for (const Workload& workload : zoo()) {
    const NetworkFacts facts = workload_facts(workload);
    if (json) {
      rows.push_back({{"name", workload.name},
                      {"about", workload.about},
                      {"parameters", facts.parameters},
                      {"grad_bytes", facts.grad_bytes},
                      {"flop_per_sample", facts.flop_per_sample},
                      {"input", workload.input.text()}});
      continue;
    }
    char numbers[128];
    std::snprintf(numbers, sizeof numbers, "%-13s %10.0f  %10s  %14.3e  %-10s ",
                  workload.name.c_str(), facts.parameters,
                  format_bytes(Bytes<>(facts.grad_bytes)).c_str(), facts.flop_per_sample,
                  workload.input.text().c_str());
    std::cout << numbers << workload.about << "\n";
  }
  if (json) std::cout << json_text({{"models", rows}});
}

}  // namespace forerun
