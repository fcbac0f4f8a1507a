#include "model/plot/gnuplot.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "model/error.h"
#include "model/io/atomic_file.h"
#include "model/plot/process.h"

namespace forerun {
namespace {

namespace fs = std::filesystem;

/// A folder of our own under the system's temporary one, gone at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::error_code error;
    const fs::path parent = fs::temp_directory_path(error);
    std::string name = ((error ? fs::path("/tmp") : parent) / "forerun-plots.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error(name + ": cannot create a temporary folder (" + std::strerror(errno) +
                  "); set TMPDIR to one that can be written");
    }
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// Letters are 17 SVG units high in both: the font size is pixels for SVG, points for PNG.
std::string terminal(const Plot& plot, bool png) {
  const auto size = [&](int scale) {
    return " noenhanced background rgb '#ffffff' size " + std::to_string(plot.width * scale) + "," +
           std::to_string(plot.height * scale);
  };
  return png ? "set terminal pngcairo" + size(2) +
                   " font 'Helvetica,13' fontscale 2 linewidth 2 pointscale 2"
             : "set terminal svg" + size(1) + " font 'Helvetica,17'";
}

/// The same script twice: once as SVG, once as PNG.
std::string whole_script(const std::vector<Plot>& plots, const ScratchFolder& folder) {
  std::string script;
  for (size_t i = 0; i < plots.size(); ++i) {
    const std::string stem = std::to_string(i);
    for (const bool png : {false, true}) {
      const std::string file = (folder / (stem + (png ? ".png" : ".svg"))).string();
      script += "reset session\n";
      script += terminal(plots[i], png) + "\nset output " + gnuplot_string(file) + "\n" +
                plots[i].script + "\nunset output\n";
    }
  }
  return script;
}

}  // namespace

std::string gnuplot_string(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "'";
}

std::vector<RenderedPlot> render(const std::vector<Plot>& plots) {
  const ScratchFolder folder;
  write_file_atomically(folder / "plots.gp", whole_script(plots, folder));
  const int status =  // -d: not the user's own settings
      run_program({"gnuplot", "-d", (folder / "plots.gp").string()}, folder / "log",
                  "plots are drawn with it: apt-get install gnuplot-nox");
  if (status != 0) {
    throw Error("gnuplot failed: " + read_file(folder / "log") +
                "(gnuplot 5.2 or newer with its svg and pngcairo terminals is needed: "
                "apt-get install gnuplot-nox)");
  }
  std::vector<RenderedPlot> rendered;
  for (size_t i = 0; i < plots.size(); ++i) {
    const std::string stem = std::to_string(i);
    rendered.push_back({read_file(folder / (stem + ".svg")), read_file(folder / (stem + ".png"))});
  }
  return rendered;
}

}  // namespace forerun
