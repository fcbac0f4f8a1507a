#include "predict/report/style.h"

#include "model/plot/palette.h"

namespace forerun {
namespace {

constexpr char kCss[] = R"css(
:root{color-scheme:light dark;--page:#f4f6f9;--panel:#ffffff;--line:#dde2ea;
 --good:#0a7a4b;--fair:#9a6a00;--poor:#b3261e;--unchecked:#5b6675}
@media (prefers-color-scheme:dark){:root{--page:#12151b;--panel:#1b2029;--line:#313845;
 --good:#3ecf8e;--fair:#e5b444;--poor:#ff7b72;--unchecked:#a3adbb}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
 font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:15px;font-weight:600;color:var(--muted);margin:0 0 12px;letter-spacing:.02em}
h2{font-size:21px;margin:44px 0 4px}
h3{font-size:16px;margin:0 0 6px}
p{margin:6px 0 12px;max-width:78ch}
.lead{font-size:25px;line-height:1.3;font-weight:650;margin:0 0 8px;max-width:58ch}
.panel{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:20px 22px}
.verdict{border-left:6px solid var(--tone)}
.verdict strong{color:var(--tone)}
.verdict p:last-child{margin-bottom:0}
.label{background:var(--fair);color:var(--page);font-weight:700;padding:10px 16px;
 border-radius:8px;margin-bottom:16px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:14px;margin:16px 0}
.tiles .panel{padding:14px 18px}
.tiles b{display:block;font-size:26px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles span{color:var(--muted);font-size:14px;display:block;line-height:1.4}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,500px),1fr));gap:16px;
 margin-top:12px}
figure{margin:0}
figure svg{display:block;width:100%;height:auto}
figure svg text{font-family:inherit}
figcaption{color:var(--muted);font-size:14px;line-height:1.45;margin-top:8px}
.scroll{overflow-x:auto;padding:0}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--muted);font-weight:600}
tr:last-child td{border-bottom:0}
.t{text-align:left}
td.wrap{white-space:normal;text-align:left;color:var(--muted)}
.yes{color:var(--good);font-weight:600}
.no{color:var(--poor);font-weight:600}
.aside{color:var(--muted)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:0;font-size:15px}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}
ul{margin:6px 0;padding-left:20px}
footer{margin-top:40px;color:var(--muted);font-size:14px}
@media (max-width:560px){dl{grid-template-columns:1fr}dd{margin-bottom:8px}
 main{padding:20px 14px 40px}.lead{font-size:21px}}
@media print{body{background:none}.panel{break-inside:avoid}}
)css";

}  // namespace

std::string page_css() { return palette_css() + kCss; }

}  // namespace forerun
