// The style sheet of the page. The colours of series are Okabe and Ito's, which
// colour-blind people can tell apart [jfly.uni-koeln.de/color], darker or
// lighter as the background needs (page_style_test.cpp). There are three sizes
// of text: headings, sentences, and --small for all else, drawings too.
#pragma once

namespace dure::report {

inline constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --small: 13px; --ink: #1c2024;
  --soft: #59626b; --line: #d8dde2; --back: #ffffff; --card: #f6f8fa;
  --c0: #0072b2; --c1: #d55e00; --c2: #008a64; --c3: #b5578f;
  --c4: #96700a; --c5: #2b8ac6; --c6: #6e6e6e; --c7: #8a5a2b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #3a424a;
    --back: #14181c; --card: #1c2228;
    --c0: #4da3dd; --c1: #f0803c; --c2: #2fc79a; --c3: #d98abb;
    --c4: #e0b040; --c5: #8cc8f0; --c6: #a5a5a5; --c7: #c49a6c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 60px;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--back); }
h1 { font-size: 24px; margin: 0 0 2px; }
h2 { font-size: 18px; margin: 36px 0 8px; }
h3 { font-size: 15px; margin: 16px 0 4px; }
h1, h2, p, dd { overflow-wrap: anywhere; }
p { margin: 6px 0; max-width: 80ch; }
.soft, figcaption small { color: var(--soft); }
dl { margin: 0; }
.facts { display: grid; gap: 10px; margin: 16px 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr)); }
.facts div { background: var(--card); border-radius: 8px; padding: 8px 12px; }
.facts dt { color: var(--soft); font-size: var(--small); }
.facts dd { margin: 0; }
.charts { display: grid; gap: 16px; margin-top: 10px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
figure { margin: 0; background: var(--card); border-radius: 8px;
  padding: 10px 14px; min-width: 0; }
figure.wide { margin-top: 12px; }
figcaption { font-weight: 600; }
figcaption small { font-weight: 400; font-size: var(--small); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 4px 0;
  padding: 0; list-style: none; font-size: var(--small); }
.legend li { overflow-wrap: anywhere; }
.legend i { display: inline-block; width: 11px; height: 11px;
  border-radius: 3px; background: var(--c); margin-right: 6px; }

.chart { display: grid; grid-template-columns: var(--y) minmax(0, 1fr);
  gap: 2px 8px; margin: 24px 0 4px; font-size: var(--small);
  line-height: 1.3; color: var(--soft); font-variant-numeric: tabular-nums; }
.ys, .xs, .plot { position: relative; }
.set span { position: absolute; right: 0; transform: translateY(-50%);
  max-width: 100%; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.plot { border: solid var(--soft); border-width: 0 0 1px 1px; }
.plot svg { position: absolute; width: 100%; height: 100%;
  overflow: visible; }
.xs { grid-column: 2; height: 1.4em; }
.xs span { position: absolute; transform: translateX(-50%);
  white-space: nowrap; }
.name { grid-column: 2; text-align: center; }
.none { text-align: center; padding-top: 80px; max-width: none; }
.mark { position: absolute; transform: translateX(-50%); color: var(--ink);
  white-space: nowrap; }
.mark.top { bottom: 100%; }
.mark.bottom { bottom: 0; background: var(--card); }
.first, .xs .first { transform: none; }
.last, .xs .last { transform: translateX(-100%); }
.plot path { vector-effect: non-scaling-stroke; fill: none; }
.g { stroke: var(--line); stroke-width: 1; }
.l, .d { stroke: var(--c); stroke-width: 1.4; stroke-linejoin: round;
  stroke-linecap: round; }
.d { stroke-width: 7; }
.f { fill: var(--c); }
.b { fill-opacity: 0.6; }
.k { stroke: var(--ink); stroke-width: 2; }
.h { fill: transparent; }
.h:hover { fill: var(--ink); fill-opacity: 0.08; }
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); }
.s3 { --c: var(--c3); } .s4 { --c: var(--c4); } .s5 { --c: var(--c5); }
.s6 { --c: var(--c6); } .s7 { --c: var(--c7); }

.choice, .choice ~ label { font-size: var(--small); }
.choice { color: var(--soft); margin-right: 6px; }
label { margin-right: 10px; white-space: nowrap; }
label + .choice { margin-left: 10px; }
input { margin: 0 4px 0 0; vertical-align: -2px; }
.log { visibility: hidden; }
.as-log:checked ~ .charts .log { visibility: visible; }
.as-log:checked ~ .charts .lin { visibility: hidden; }
.k1, .k2, .k3 { display: none; }
.as-k1:checked ~ .charts .k1, .as-k2:checked ~ .charts .k2,
.as-k3:checked ~ .charts .k3 { display: inline; }
.as-k1:checked ~ .charts .raw, .as-k2:checked ~ .charts .raw,
.as-k3:checked ~ .charts .raw { stroke-opacity: 0.3; }

.scroll { overflow-x: auto; margin: 6px 0; }
summary { cursor: pointer; color: var(--soft); font-size: var(--small); }
table { border-collapse: collapse; font-size: var(--small); }
th, td { padding: 2px 12px 2px 0; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
@media (max-width: 520px) {
  body { padding: 16px 12px 40px; }
  figure { padding: 8px 10px; }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .xs.many span:nth-child(even) { display: none; } }
)";

}  // namespace dure::report
