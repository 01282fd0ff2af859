/** The style sheet of the status page, sent inside it: light and dark, from a phone's width up. */
export const STATUS_PAGE_STYLE = `
:root {
  --paper: #f5f4f0; --card: #fffefb; --ink: #1d2021; --quiet: #63676a; --line: #e1dfd7; --track: #ebe9e2;
  --link: #175d7f; --good: #1d7a4f; --bad: #b3361f; --busy: #946100; --warm: #fdf3dc; --warm-line: #ecd49a;
  --c0: #2f6fb3; --c1: #c98a17; --c2: #23846b; --c3: #b4507f; --c4: #6f5bb5;
  --c5: #6d8f22; --c6: #c4562f; --c7: #2b8ba3; --c8: #8a6a4b; --c9: #6b7683;
  --sans: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131517; --card: #1a1d20; --ink: #e7e6e2; --quiet: #9ba1a5; --line: #2c3135; --track: #272b2f;
    --link: #83c5e4; --good: #6ccb98; --bad: #ff8f78; --busy: #e8b850; --warm: #2a2416; --warm-line: #55471f;
    --c0: #6aa5e6; --c1: #e5b04a; --c2: #55bd9d; --c3: #e188b1; --c4: #a794ea;
    --c5: #a9c75b; --c6: #ee8d69; --c7: #62c0d6; --c8: #c4a281; --c9: #a3adb8;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 var(--sans);
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%; }
.page { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; }
h1, h2, p, dl, dd, ul, pre { margin: 0; }
h1 { font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.15; letter-spacing: -0.02em; font-weight: 650;
  overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; line-height: 1.3; letter-spacing: -0.01em; font-weight: 650; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 0.18em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
code, pre, .key a { font-family: var(--mono); font-size: 0.95em; }
pre { overflow-x: auto; padding: 0.75rem 1rem; background: var(--track); border-radius: 8px; line-height: 1.6; }
.quiet { color: var(--quiet); font-size: 0.875rem; }

.top { display: flex; flex-wrap: wrap; gap: 0.75rem 2rem; justify-content: space-between; align-items: end;
  margin-bottom: 1.75rem; }
.brand { margin-bottom: 0.35rem; font-weight: 650; letter-spacing: 0.01em; }
.brand a { color: var(--quiet); text-decoration: none; }
.brand a:hover { color: var(--ink); }
.top .quiet { margin-top: 0.35rem; }
.badge { display: inline-flex; align-items: center; gap: 0.5rem; padding: 0.35rem 0.85rem; font-weight: 600;
  font-size: 0.9rem; border: 1px solid var(--line); border-radius: 99px; background: var(--card); }
.badge::before { content: ""; width: 0.6rem; height: 0.6rem; border-radius: 50%; background: currentColor; }
.good { color: var(--good); } .bad, .down { color: var(--bad); } .busy, .moving { color: var(--busy); }

.warnings { margin-bottom: 1.25rem; padding: 1rem 1.25rem; background: var(--warm); border: 1px solid var(--warm-line);
  border-radius: 12px; }
.warnings h2 { font-size: 1rem; }
.warnings ul { padding-left: 1.1rem; margin-top: 0.35rem; }
.warnings li { overflow-wrap: anywhere; }

.facts { display: grid; grid-template-columns: repeat(4, 1fr); margin-bottom: 1.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; }
.facts > div { padding: 1rem 1.25rem; min-width: 0; }
.facts > div + div { border-left: 1px solid var(--line); }
dt { color: var(--quiet); font-size: 0.875rem; }
.value { font-size: 1.6rem; line-height: 1.3; font-weight: 600; letter-spacing: -0.015em; }

.card { margin-bottom: 1.25rem; padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
.head { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; justify-content: space-between; align-items: baseline;
  margin-bottom: 0.75rem; }
.note { margin: 0.75rem 0; padding: 0.7rem 1rem; background: var(--track); border-radius: 8px; font-size: 0.94rem;
  overflow-wrap: anywhere; }
.note:last-child { margin-bottom: 0; }

.ring { display: grid; grid-template-columns: 13rem 1fr; gap: 1rem 2.5rem; align-items: center; }
.donut { width: 100%; max-width: 13rem; justify-self: center; }
.donut circle, .donut path { fill: none; stroke-width: 5.5; }
.track { stroke: var(--track); }
.arc { stroke: var(--c); }
.arc.off { opacity: 0.3; }
.donut text { text-anchor: middle; fill: var(--ink); font-family: var(--sans); }
.big { font-size: 8px; font-weight: 600; letter-spacing: -0.02em; }
.donut .small { font-size: 3px; fill: var(--quiet); }
.dot { display: inline-block; flex: none; width: 0.65rem; height: 0.65rem; border-radius: 50%;
  background: var(--c, var(--quiet)); }
.off .dot, .off.replica .dot { background: none; border: 2px solid var(--c, var(--quiet)); }

table { width: 100%; border-collapse: collapse; font-size: 0.94rem; }
th { padding: 0.35rem 0.75rem; text-align: left; font-weight: 500; font-size: 0.875rem; color: var(--quiet);
  border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 0.55rem 0.75rem; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
.server { overflow-wrap: anywhere; }
.server .dot { margin-right: 0.6rem; }
tr.off .server a { color: var(--quiet); }

form { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; font-size: 0.94rem; }
label { color: var(--quiet); }
input, button { font: inherit; color: inherit; padding: 0.3rem 0.7rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--paper); }
input { width: 14rem; max-width: 100%; font-family: var(--mono); font-size: 0.92em; }
button { cursor: pointer; font-weight: 550; }
button:hover { border-color: var(--quiet); }

.key { min-width: 12rem; max-width: 24rem; }
bdi { white-space: pre-wrap; }
.key a { display: block; overflow-wrap: anywhere; text-decoration: none; font-weight: 500; }
.key a:hover { text-decoration: underline; }
.key .quiet, .written .quiet { display: block; overflow-wrap: anywhere; font-size: 0.8125rem; }
.written, .partition { white-space: nowrap; }
.mark { margin: 0 0.1em; padding: 0 0.25em; border-radius: 3px; background: var(--track); color: var(--quiet);
  font-size: 0.88em; white-space: nowrap; }
.hash { width: 1rem; height: 1rem; margin-right: 0.25rem; vertical-align: -0.15em; overflow: visible; }
.orbit { fill: none; stroke: var(--line); stroke-width: 1.75; }
.point { fill: var(--c, var(--quiet)); }
.replica { display: inline-flex; align-items: center; gap: 0.4rem; margin-right: 1rem; color: var(--ink);
  text-decoration: none; white-space: nowrap; }
.replica:hover { text-decoration: underline; }
.replica.off { color: var(--quiet); }

.task .quiet, .task .problem { display: block; font-size: 0.8125rem; }
.problem { color: var(--bad); overflow-wrap: anywhere; }

.pager { display: flex; flex-wrap: wrap; gap: 0.5rem 1.25rem; align-items: baseline; padding-top: 0.9rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.pager .next { margin-left: auto; font-weight: 600; }
.empty { padding: 1.75rem 0 1rem; }
.empty pre { margin-top: 0.6rem; }
footer { margin-top: 2rem; }
footer h2 { font-size: 1rem; }
footer pre { margin: 0.5rem 0 1rem; background: none; border: 1px solid var(--line); }

.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
.c8 { --c: var(--c8); } .c9 { --c: var(--c9); }

@media (max-width: 46rem) {
  .page { padding: 1.25rem 1rem 2rem; }
  .card { padding: 1rem; }
  .facts { grid-template-columns: 1fr 1fr; }
  .facts > div { padding: 0.75rem 1rem; }
  .facts > div:nth-child(odd) { border-left: 0; }
  .facts > div:nth-child(n+3) { border-top: 1px solid var(--line); }
  .value { font-size: 1.35rem; }
  .ring { grid-template-columns: 1fr; }
  .donut { max-width: 11rem; }
  .nodes th:nth-child(n+4), .nodes td:nth-child(n+4) { display: none; }
  .nodes th:nth-child(3), .nodes td:nth-child(3) { padding-right: 0; }
  .tasks th:nth-child(3), .tasks td:nth-child(3), .tasks th:nth-child(5), .tasks td:nth-child(5) { display: none; }
  .tasks th, .tasks td { padding-left: 0.4rem; padding-right: 0.4rem; }
  .tasks th:nth-child(4), .tasks td:nth-child(4) { padding-right: 0; white-space: normal; }
  .tasks th:first-child, .tasks td:first-child { padding-left: 0; }
  .server .quiet { display: block; margin-left: 1.25rem; }
  form { flex: 1 0 100%; }
  label { flex: 1 0 100%; }
  input { flex: 1 1 9rem; width: auto; }
  .keys, .keys tbody { display: block; }
  .keys thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .keys tr { display: flex; flex-wrap: wrap; gap: 0.15rem 1rem; align-items: baseline; padding: 0.8rem 0;
    border-bottom: 1px solid var(--line); }
  .keys tr:last-child { border-bottom: 0; }
  .keys td { padding: 0; border: 0; }
  .keys .key, .keys .replicas { flex: 1 0 100%; }
  .keys .number { text-align: left; }
  .written .quiet { display: none; }
}
@media print { body { background: none; } form, .pager, footer { display: none; } }
`;
