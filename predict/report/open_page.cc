#include "predict/report/open_page.h"

#include "model/error.h"
#include "model/plot/process.h"

namespace forerun {

void open_page(const std::filesystem::path& page) {
  const std::string path = std::filesystem::absolute(page).string();
  const std::string remedy = "open " + path + " in a browser by hand";
  // What a browser says is of no use here.
  if (run_program({"xdg-open", path}, "/dev/null", remedy) != 0) {
    throw Error("xdg-open found nothing to show a page with; " + remedy);
  }
}

}  // namespace forerun
