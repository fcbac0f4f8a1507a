#include "predict/report/inline_svg.h"

#include <cstdio>
#include <regex>

#include "model/error.h"
#include "model/plot/palette.h"
#include "predict/report/html.h"

namespace forerun {
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// gnuplot writes a colour with and without padding.
void recolour(std::string& svg, const Colour& colour) {
  char padded[32], plain[32];
  std::snprintf(padded, sizeof padded, "rgb(%3d, %3d, %3d)", colour.red, colour.green, colour.blue);
  std::snprintf(plain, sizeof plain, "rgb(%d,%d,%d)", colour.red, colour.green, colour.blue);
  const std::string variable = std::string("var(") + colour.variable + ")";
  replace_all(svg, padded, variable);
  replace_all(svg, plain, variable);
}

}  // namespace

std::string inline_svg(const std::string& document, const std::string& name,
                       const std::string& label) {
  const size_t start = document.find("<svg");
  const size_t open_end = document.find('>', start);
  const size_t end = document.rfind("</svg>");
  if (start == std::string::npos || open_end == std::string::npos || end == std::string::npos) {
    throw Error(name + ".svg: gnuplot wrote no <svg> element");
  }
  std::smatch box;
  const std::string opening = document.substr(start, open_end - start);
  if (!std::regex_search(opening, box, std::regex("viewBox=\"[-0-9. ]*\""))) {
    throw Error(name + ".svg: gnuplot wrote no viewBox");
  }
  std::string body = document.substr(open_end + 1, end - open_end - 1);
  // What only a viewer's tooltip or an empty drawing step needs.
  body = std::regex_replace(body, std::regex("<(title|desc)>[^<]*</(title|desc)>"), "");
  body = std::regex_replace(body, std::regex("<g [^>]*>\\s*</g>"), "");
  body = std::regex_replace(body, std::regex("<rect x=\"0\" y=\"0\"[^>]*fill=\"#ffffff\"/>"), "");
  body = std::regex_replace(body, std::regex("<filter [^>]*>[\\s\\S]*?</filter>"), "");
  body = std::regex_replace(body, std::regex("\\n\\s*"), "\n");
  replace_all(body, "xlink:href='#gp", "href='#" + name + "-gp");
  replace_all(body, "id='gp", "id='" + name + "-gp");
  replace_all(body, "id=\"gnuplot_", "id=\"" + name + "-gnuplot_");
  replace_all(body, "#FFFFFF", "var(--panel)");
  for (const Colour& colour : {kInk, kMuted, kGrid}) recolour(body, colour);
  for (const Colour& colour : kSeries) recolour(body, colour);
  return "<svg " + box.str() + " role=\"img\" aria-label=\"" + escape_html(label) + "\">" + body +
         "</svg>";
}

}  // namespace forerun
