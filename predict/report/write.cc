#include "predict/report/write.h"

#include "model/io/atomic_file.h"
#include "predict/report/checks_csv.h"
#include "predict/report/page.h"
#include "predict/report/plots.h"

namespace forerun {

std::filesystem::path write_report(const ReportData& data, const std::filesystem::path& folder) {
  const ReportPlots plots = make_plots(data);
  PageFigures figures;
  const std::pair<const std::vector<Plot>*, std::vector<Figure>*> parts[] = {
      {&plots.checks, &figures.checks},         {&plots.speedup, &figures.speedup},
      {&plots.throughput, &figures.throughput}, {&plots.components, &figures.components},
      {&plots.network, &figures.network},       {&plots.choice, &figures.choice}};
  std::vector<Plot> all;
  for (const auto& [from, to] : parts) all.insert(all.end(), from->begin(), from->end());

  const std::vector<RenderedPlot> rendered = render(all);
  size_t next = 0;
  for (const auto& [from, to] : parts) {
    for (const Plot& plot : *from) {
      const RenderedPlot& files = rendered[next++];
      write_file_atomically(folder / (plot.name + ".svg"), files.svg);
      write_file_atomically(folder / (plot.name + ".png"), files.png);
      to->push_back({plot, files.svg});
    }
  }
  write_file_atomically(folder / "predicted_vs_observed.csv", checks_csv(data.checks));
  const std::filesystem::path page = folder / "index.html";
  write_file_atomically(page, make_page(data, figures));
  return page;
}

}  // namespace forerun
