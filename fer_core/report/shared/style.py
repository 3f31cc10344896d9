"""The page's style sheet: one column of cards, light and dark, from 360 pixels up."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --faint: #5b6570; --rule: #dfe3e8; --accent: #0b6bb5;
  --heat: 11 107 181; --shade: 27 31 36 / .35;
  --c0: #0b6bb5; --c1: #c2410c; --c2: #0f7b5a; --c3: #9333a8; --c4: #946200; --c5: #5b6570;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1b2128; --ink: #e6e9ed; --faint: #9aa5b1; --rule: #323b45; --accent: #6cb6f5;
    --heat: 64 140 210; --shade: 0 0 0 / .8;
    --c0: #6cb6f5; --c1: #fb923c; --c2: #4cc9a0; --c3: #d796ea; --c4: #e5b94e; --c5: #9aa5b1;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 .75rem; }
h2 { font-size: 1.15rem; margin: 0 0 .6rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 72ch; }
.lead { font-size: 1.08rem; }
.warning { border-left: .3rem solid var(--c1); padding: .4rem .8rem; background: var(--card); }
.note, figcaption, .caption, .legend { color: var(--faint); font-size: .88rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; font-size: .92rem; margin: 0 0 1rem; }
a { color: var(--accent); }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 1rem; margin: 0 0 1rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; margin: 1rem 0; padding: 0; }
.facts div { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: .7rem .9rem; }
.facts dt { color: var(--faint); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts small { display: block; font-size: .8rem; font-weight: 400; color: var(--faint); }
.scroll { /* a shadow at each side on which the table goes on: covers of the card's colour move with the table, shadows stay */
  overflow-x: auto; margin: .25rem 0 1rem;
  background:
    linear-gradient(to right, var(--card) 40%, rgb(0 0 0 / 0)) left / 3rem 100% local,
    linear-gradient(to left, var(--card) 40%, rgb(0 0 0 / 0)) right / 3rem 100% local,
    linear-gradient(to right, rgb(var(--shade)), rgb(0 0 0 / 0)) left / .9rem 100% scroll,
    linear-gradient(to left, rgb(var(--shade)), rgb(0 0 0 / 0)) right / .9rem 100% scroll;
  background-repeat: no-repeat;
}
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
.caption { margin: 1rem 0 0; }
th, td { padding: .3rem .55rem; border-bottom: 1px solid var(--rule); text-align: left; white-space: nowrap; vertical-align: top; }
thead th { color: var(--faint); font-weight: 600; vertical-align: bottom; white-space: normal; }
tbody th { font-weight: 600; position: sticky; left: 0; background: var(--card); }
th.number, td.number, td.heat { text-align: right; }
td small { display: block; color: var(--faint); font-size: .78rem; }
td.words { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
td.heat { background: rgb(var(--heat) / calc(.7 * var(--share))); }
td.right { outline: 1px solid var(--faint); outline-offset: -1px; }
td.hash { white-space: normal; min-width: 16rem; }
td.hash, pre { font-family: ui-monospace, "SFMono-Regular", Consolas, monospace; font-size: .8rem; overflow-wrap: anywhere; }
pre { overflow-x: auto; margin: .5rem 0 0; overflow-wrap: normal; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 1rem; align-items: start; }
figure { margin: 0; max-width: 520px; }
svg.chart { display: block; width: 100%; height: auto; }
svg.chart text { fill: var(--ink); font-size: 11px; }
svg.chart text.axis { fill: var(--faint); }
.grid { stroke: var(--rule); fill: none; }
.diagonal { stroke: var(--faint); stroke-dasharray: 2 4; fill: none; }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.dot { fill: var(--c); }
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); }
.s3 { --c: var(--c3); } .s4 { --c: var(--c4); } .s5 { --c: var(--c5); }
.d1 { stroke-dasharray: 6 3; } .d2 { stroke-dasharray: 2 3; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: .2rem 0 0; padding: 0; }
.legend svg { width: 24px; height: 10px; margin-right: .35rem; }
.sheets { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 1.25rem 1rem; }
.faces { display: grid; grid-template-columns: repeat(8, 1fr); gap: 2px; margin: .3rem 0 0; }
.face { display: block; cursor: help; }
.face img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--rule); }
.face:hover, .face:focus { outline: 2px solid var(--accent); outline-offset: 0; }
.face:hover::after, .face:focus::after {
  content: attr(data-name); position: fixed; z-index: 2; inset: auto 0 0; padding: .45rem 1rem; font-size: .9rem; overflow-wrap: anywhere;
  background: var(--ink); color: var(--paper);
}
.faces.few { grid-template-columns: repeat(6, 1fr); }
.faces small { display: block; font-size: .68rem; line-height: 1.2; color: var(--faint); overflow-wrap: anywhere; }
.sheet { max-width: none; }
.sheet b { color: var(--ink); }
details { margin: .4rem 0; }
details summary { cursor: pointer; color: var(--accent); }
@media (max-width: 480px) {
  main { padding: .75rem .6rem 2rem; } section { padding: .8rem .7rem; } th, td { padding: .3rem .45rem; }
  tbody th { white-space: normal; min-width: 5.5rem; max-width: 38vw; }
  .faces:has(small) { grid-template-columns: repeat(4, 1fr); }
}
@media print { .scroll { overflow: visible; background: none; } section { break-inside: avoid; } }
""".strip()
