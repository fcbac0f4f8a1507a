#include "predict/report/page.h"

#include <cmath>
#include <map>

#include "model/io/command_line.h"
#include "predict/report/html.h"
#include "predict/report/inline_svg.h"
#include "predict/report/skill.h"
#include "predict/report/style.h"

namespace forerun {
namespace {

std::string element(const std::string& tag, const std::string& text) {
  return "<" + tag + ">" + escape_html(text) + "</" + tag.substr(0, tag.find(' ')) + ">";
}

std::string ranks_on_nodes(int ranks, int nodes) {
  return std::to_string(ranks) + (ranks == 1 ? " rank on " : " ranks on ") + std::to_string(nodes) +
         (nodes == 1 ? " node" : " nodes");
}

std::string duration(double seconds) { return format_duration(Seconds<>(seconds)); }

std::string signed_percent(double share) {
  return (share < 0 ? "-" : "+") + format_percent(std::fabs(share));
}

const char* tone(Trust trust) {
  switch (trust) {
    case Trust::kGood:
      return "good";
    case Trust::kFair:
      return "fair";
    case Trust::kPoor:
      return "poor";
    case Trust::kUnchecked:
      break;
  }
  return "unchecked";
}

/// No line ends between a number and its percent sign.
std::string unbroken(std::string html) {
  for (size_t at = html.find(" %"); at != std::string::npos; at = html.find(" %", at)) {
    html.replace(at, 1, "&nbsp;");
  }
  return html;
}

std::string label_banner(const Machine& machine) {
  if (machine.label.empty()) return "";
  return "<div class=\"label\">Not a real cluster: " + escape_html(machine.label) +
         ". These numbers describe this set-up, not the hardware it stands for.</div>\n";
}

std::string verdict_panel(const ReportData& data, const Skill& skill) {
  const Verdict verdict = judge(skill);
  std::string out = "<section class=\"panel verdict\" style=\"--tone:var(--" +
                    std::string(tone(verdict.trust)) + ")\">\n" +
                    unbroken(element("p class=\"lead\"", headline(skill))) + "\n<p>" +
                    element("strong", verdict.title + ".") + " " + escape_html(verdict.text) +
                    "</p>\n<p>Measured up to " +
                    ranks_on_nodes(data.reach.measured_max_gpus, data.reach.measured_max_nodes) +
                    ": predictions beyond that are extrapolations.</p>\n";
  if (!data.missing_runs_command.empty()) {
    out += "<p>Check it with a run that was not measured:</p>\n" +
           element("pre", data.missing_runs_command) + "\n";
  }
  return out + "</section>\n";
}

std::string tile(const std::string& number, const std::string& what) {
  return "<div class=\"panel\">" + element("b", number) + element("span", what) + "</div>\n";
}

std::string baseline_tile(const Skill::Baseline& baseline, int configurations,
                          const std::string& name) {
  std::string what = "median error " + name + " (worst " + format_percent(baseline.ape_worst);
  if (baseline.configurations < configurations) {
    what += "; on " + std::to_string(baseline.configurations) + " of them";
  }
  return tile(format_percent(baseline.ape_median), what + ")");
}

std::string tiles(const Skill& skill) {
  const int n = skill.configurations;
  if (n == 0) return "";
  const std::map<std::string, std::string> names = {
      {"ideal", "without a model: ideal scaling"},
      {"carry_forward", "without a model: largest measured scale carried forward"},
      {"linear", "without a model: straight line in the world size"}};
  std::string baselines;
  for (const auto& [name, baseline] : skill.naive) {
    const auto known = names.find(name);
    baselines += baseline_tile(baseline, n, known == names.end() ? name : known->second);
  }
  return "<div class=\"tiles\">\n" +
         tile(format_percent(skill.ape_median),
              "median error of Forerun (worst " + format_percent(skill.ape_worst) + ")") +
         tile(std::to_string(skill.inside) + " of " + std::to_string(n),
              "inside the 90 % interval") +
         baselines + "</div>\n";
}

std::string notes_list(const std::vector<std::string>& notes) {
  if (notes.empty()) return "";
  std::string out = "<ul class=\"aside\">\n";
  for (const std::string& note : notes) out += element("li", note) + "\n";
  return out + "</ul>\n";
}

std::string figure_grid(const std::vector<Figure>& figures) {
  std::string out = "<div class=\"figures\">\n";
  for (const Figure& figure : figures) {
    out +=
        "<figure class=\"panel\">" + element("h3", figure.plot.title) + "\n" +
        inline_svg(figure.svg, figure.plot.name, figure.plot.title + ". " + figure.plot.caption) +
        "\n" + element("figcaption", figure.plot.caption) + "</figure>\n";
  }
  return out + "</div>\n";
}

std::string section(const std::string& title, const std::string& text,
                    const std::vector<Figure>& figures) {
  if (figures.empty()) return "";
  return element("h2", title) + "\n" + element("p class=\"aside\"", text) + "\n" +
         figure_grid(figures);
}

std::string cell(const std::string& text, const std::string& kind = "") {
  return kind.empty() ? element("td", text) : element("td class=\"" + kind + "\"", text);
}

/// Predicted, interval, error, inside; or why there is none.
std::string prediction_cells(const RunCheck& c) {
  if (!c.predicted.refused.empty()) {
    return "<td colspan=\"4\" class=\"wrap\">not predicted: " + escape_html(c.predicted.refused) +
           "</td>";
  }
  const std::string verdict = c.inside() ? "yes" : "no";
  return cell(duration(c.predicted.step_time.value())) +
         cell(duration(c.predicted.low.value()) + " to " + duration(c.predicted.high.value())) +
         cell(signed_percent(c.relative_error())) +
         (c.measured_before ? cell(verdict + ", measured before", "aside")
                            : cell(verdict, verdict));
}

std::string table_row(const RunCheck& c, size_t number) {
  const Configuration& at = c.at;
  std::string local = std::to_string(at.local_batch);
  if (at.accumulation > 1) local += " x " + std::to_string(at.accumulation);
  std::string name = c.model;
  if (at.strategy != "ddp") name += ", " + at.strategy;
  if (at.precision != "float32") name += ", " + at.precision;
  return "<tr>" + cell(std::to_string(number), "aside") + cell(name, "t") +
         cell(std::to_string(at.world_size())) + cell(std::to_string(at.placement.nodes())) +
         cell(local) + cell(std::to_string(at.global_batch())) + cell(duration(c.observed_s)) +
         prediction_cells(c) + "</tr>\n";
}

std::string comparison_table(const std::vector<RunCheck>& checks) {
  if (checks.empty()) return "";
  std::string out =
      "<h2>Every run beside its prediction</h2>\n"
      "<p class=\"aside\">Step times; observed is the median over all steps, error is predicted / "
      "observed - 1, the interval is 90 %. The same as predicted_vs_observed.csv.</p>\n"
      "<div class=\"panel scroll\"><table>\n<thead><tr><th>#</th><th class=\"t\">model</th>"
      "<th>world size</th><th>nodes</th><th>local batch</th><th>global batch</th>"
      "<th>observed</th><th>predicted</th><th>90 % interval</th><th>error</th>"
      "<th>inside</th></tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < checks.size(); ++i) out += table_row(checks[i], i + 1);
  return out + "</tbody></table></div>\n";
}

std::string fact(const std::string& name, const std::string& value) {
  return value.empty() ? "" : element("dt", name) + element("dd", value) + "\n";
}

std::string hosts_text(const Host& host, size_t count) {
  return (count > 1 ? std::to_string(count) + " hosts like " + host.hostname : host.hostname) +
         ": " + host.processor + ", " + std::to_string(host.cores) +
         (host.cores == 1 ? " core" : " cores") +
         (host.memory_bytes > 0 ? ", " + format_bytes(Bytes<>(host.memory_bytes)) : "");
}

std::string machine_section(const ReportData& data) {
  const Machine& machine = data.machine;
  std::string libraries;
  for (const auto& [name, version] : machine.libraries) {
    libraries += (libraries.empty() ? "" : "; ") + name + " " + version;
  }
  std::string out = "<h2>Machine</h2>\n<div class=\"panel\"><dl>\n" +
                    fact("device", machine.device) + fact("label", machine.label);
  if (!machine.hosts.empty()) {
    out += fact("hosts", hosts_text(machine.hosts.front(), machine.hosts.size()));
  }
  out += fact("ranks", std::to_string(machine.max_ranks) + " without sharing a core or GPU, " +
                           std::to_string(machine.threads_per_rank) +
                           (machine.threads_per_rank == 1 ? " thread each" : " threads each")) +
         fact("clock", machine.clock) + fact("libraries", libraries) +
         fact("fingerprint", machine.fingerprint) + "</dl></div>\n";
  return out;
}

std::string commands_section(const std::vector<std::string>& commands) {
  if (commands.empty()) return "";
  std::string lines;
  for (const std::string& command : commands) lines += command + "\n";
  return "<h2>Commands that made it</h2>\n<div class=\"panel\">" + element("pre", lines) +
         "</div>\n";
}

}  // namespace

std::string make_page(const ReportData& data, const PageFigures& figures) {
  const Skill skill = measure_skill(data.checks);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
         "<title>Forerun report</title>\n<style>\n" +
         page_css() + "</style>\n</head>\n<body>\n<main>\n<h1>Forerun report, " +
         escape_html(data.date) + "</h1>\n" + label_banner(data.machine) +
         verdict_panel(data, skill) + unbroken(tiles(skill)) + notes_list(data.notes) +
         section("Predicted against observed",
                 "The predictions were made from the calibration alone; the runs came after.",
                 figures.checks) +
         section(
             "Speedup",
             "How much faster several ranks are: with one global batch, and with one batch a rank.",
             figures.speedup) +
         comparison_table(data.checks) +
         section("Where the time goes", "Predicted parts of one training step.",
                 figures.components) +
         section("Throughput", "Samples per second against the number of ranks.",
                 figures.throughput) +
         section("What to use",
                 "The recommended number of ranks; predict says why, and what it costs.",
                 figures.choice) +
         section("Network", "What an all-reduce of gradients takes.", figures.network) +
         machine_section(data) + commands_section(data.commands) +
         "<footer>Written by report from the files of the store; nothing on this page is loaded "
         "from elsewhere.</footer>\n</main>\n</body>\n</html>\n";
}

}  // namespace forerun
