// The style sheet of the page. Colours of series: Okabe and Ito's, which people
// who see fewer colours tell apart [jfly.uni-koeln.de/color], lighter on dark.
#pragma once

namespace dure::report {

inline constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5c656e;
  --line: #d8dde2; --back: #ffffff; --card: #f6f8fa;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b5578f;
  --c4: #b8860b; --c5: #3a9bd8; --c6: #6e6e6e; --c7: #8a5a2b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #3a424a;
    --back: #14181c; --card: #1c2228;
    --c0: #4da3dd; --c1: #f0803c; --c2: #2fc79a; --c3: #d98abb;
    --c4: #e0b040; --c5: #8cc8f0; --c6: #a5a5a5; --c7: #c49a6c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 60px;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--back); }
h1 { font-size: 24px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 8px; }
p { margin: 6px 0; max-width: 80ch; }
.soft, figcaption small { color: var(--soft); }
.facts { display: grid; gap: 10px; margin: 16px 0;
  grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); }
.facts div { background: var(--card); border-radius: 8px; padding: 8px 12px; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; font-size: 17px; overflow-wrap: anywhere; }
dl { margin: 0; }
.charts { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
figure { margin: 0; background: var(--card); border-radius: 8px;
  padding: 10px 12px; min-width: 0; }
figure.wide { margin-top: 12px; }
figcaption { font-weight: 600; }
figcaption small { font-weight: 400; font-size: 13px; }
.chart { display: block; width: 100%; height: auto; }
.chart text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.m { text-anchor: middle; }
.e { text-anchor: end; }
.g { stroke: var(--line); fill: none; stroke-width: 1; }
.a { stroke: var(--soft); fill: none; stroke-width: 1; }
.l { stroke: var(--c); fill: none; stroke-width: 1.6;
  stroke-linejoin: round; stroke-linecap: round; }
.d { fill: var(--c); stroke: var(--card); stroke-width: 1; }
.f { fill: var(--c); }
.k { stroke: var(--ink); stroke-width: 2; fill: none; }
.h { fill: transparent; }
.h:hover { fill: var(--ink); fill-opacity: 0.08; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 4px 0;
  padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px;
  border-radius: 3px; background: var(--c); margin-right: 6px; }
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); }
.s3 { --c: var(--c3); } .s4 { --c: var(--c4); } .s5 { --c: var(--c5); }
.s6 { --c: var(--c6); } .s7 { --c: var(--c7); }
.scroll, details { overflow-x: auto; }
.scroll { margin: 10px 0; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; margin: 6px 0; }
th, td { padding: 2px 12px 2px 0; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
)";

}  // namespace dure::report
