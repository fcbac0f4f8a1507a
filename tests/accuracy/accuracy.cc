// accuracy FILE.csv [-v] [--alone] [--up-to GPUS] [--without INGREDIENT] [--drop K/N]
// [MODEL=GRAD_BYTES...]: how wrong predictions are on scales that were not fitted, protocol by
// protocol, as a Markdown table; beside the naive baselines. Points are means over placements of
// equal (nodes, gpus, local batch).
// --up-to: one line a cluster, fitted on up to so many GPUs, for data that has little more than
// world sizes.
// --alone: each workload calibrated by itself, as if the others had not been measured.
// --without: leaves a part of the method out.
// --drop: leaves out each Nth fitted row, beginning with the Kth: how much depends on which rows
// were measured.
// run.sh runs it on all the data.
#include <cstdio>
#include <map>
#include <string>

#include "calib/calibrate.h"
#include "model/error.h"
#include "model/io/command_line.h"
#include "tests/accuracy/protocols.h"
#include "tests/accuracy/table.h"

namespace {

using namespace forerun;

struct Options {
  std::string file;
  std::map<std::string, double> grad_bytes;
  bool verbose = false;
  bool alone = false;            ///< a calibration for each workload
  int up_to = 0;                 ///< 0: all protocols
  int drop = 0, drop_every = 0;  ///< 0: none
  Ingredients ingredients;
};

void leave_out(Ingredients& ingredients, const std::string& name) {
  std::string names;
  for (const Ingredient& known : kIngredients) {
    if (name == known.name) {
      ingredients.*known.member = false;
      return;
    }
    names += std::string(" ") + known.name;
  }
  throw UsageError("no ingredient is called " + name + "; there are:" + names);
}

Options parse(int argc, char** argv) {
  if (argc < 2)
    throw UsageError(
        "accuracy FILE.csv [-v] [--alone] [--up-to GPUS] [--without INGREDIENT] [--drop K/N] "
        "[MODEL=GRAD_BYTES...]");
  Options out{.file = argv[1]};
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    if (text == "-v") {
      out.verbose = true;
    } else if (text == "--alone") {
      out.alone = true;
    } else if (text == "--up-to" && i + 1 < argc) {
      out.up_to = parse_int_list(argv[++i]).front();
    } else if (text == "--drop" && i + 1 < argc) {
      const std::string share = argv[++i];
      const size_t slash = share.find('/');
      if (slash == std::string::npos) throw UsageError("--drop takes K/N, not " + share);
      out.drop = parse_int_list(share.substr(0, slash)).front();
      out.drop_every = parse_int_list(share.substr(slash + 1)).front();
    } else if (text == "--without" && i + 1 < argc) {
      leave_out(out.ingredients, argv[++i]);
    } else if (equals != std::string::npos) {
      out.grad_bytes[text.substr(0, equals)] = std::stod(text.substr(equals + 1));
    } else {
      throw UsageError("what is " + text + "?");
    }
  }
  return out;
}

/// The workloads of `rows`, each from a calibration of its own rows.
Calibration calibrate_alone(const std::vector<Observation>& rows, const Options& options) {
  std::map<std::string, std::vector<Observation>> by_model;
  for (const Observation& row : rows) by_model[row.model].push_back(row);
  Calibration all;
  for (const auto& [model, of_model] : by_model) {
    Calibration one = calibrate_observations(of_model, options.file, options.ingredients);
    all.workloads.push_back(std::move(one.workloads.front()));
  }
  return all;
}

std::vector<Observation> without_dropped(std::vector<Observation> rows, const Options& options) {
  if (options.drop_every == 0) return rows;
  int fitted = 0;
  std::erase_if(rows, [&](const Observation& o) {
    return o.role == "fit" && ++fitted % options.drop_every == options.drop % options.drop_every;
  });
  return rows;
}

void print(const std::string& name, const Protocol& protocol, const std::vector<Observation>& rows,
           const Options& options) {
  const std::vector<Observation> divided = without_dropped(with_roles(protocol, rows), options);
  const Calibration calibration =
      options.alone ? calibrate_alone(divided, options)
                    : calibrate_observations(divided, options.file, options.ingredients);
  std::fputs(table_rows(name, calibration, options.verbose).c_str(), stdout);
  std::fflush(stdout);
}

int run(const Options& options) {
  std::vector<Observation> rows = mean_over_placements(load_observations(options.file));
  std::fputs(table_header().c_str(), stdout);
  if (options.up_to > 0) {
    std::map<std::string, std::vector<Observation>> clusters;
    for (const Observation& row : rows) clusters[row.cluster].push_back(row);
    for (const auto& [cluster, of_cluster] : clusters)
      print(cluster, up_to_protocol(options.up_to), of_cluster, options);
    return kExitDone;
  }
  for (const Protocol& protocol : scale_protocols(rows))
    print(protocol.name, protocol, rows, options);
  if (options.alone) return kExitDone;
  for (Observation& o : rows) {
    const auto known = options.grad_bytes.find(o.model);
    if (known != options.grad_bytes.end()) o.grad_bytes = known->second;
  }
  for (const Protocol& protocol : one_gpu_protocols(rows))
    print(protocol.name, protocol, rows, options);
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const forerun::Error& error) {
    std::fprintf(stderr, "accuracy: %s\n", error.what());
    return error.exit_code();
  }
}
