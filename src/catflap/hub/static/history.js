// The history of one feature: cumulative flow and cycle times, drawn, and as tables. Asks the hub when it is looked at.

import { cycleChart, flowChart, median } from "./charts.js";
import { element } from "./elements.js";
import { LANES, compareFeatures, isFinished } from "./model.js";
import { day, exactSpan, laneName, moment, plain } from "./wording.js";

const FRESH_MS = 2000;
/** As board.css has it: from which width two charts stand side by side, how far apart, and what frames each (px). */
const TWO_FROM_PX = 900;
const GAP_PX = 14;
const FRAME_PX = 26;

export class History {
  #key = null;
  #answer = null;
  #timer = null;
  #feature = null;
  #nowMs = 0;

  /** `onFail(error)` hears what went wrong with the hub. */
  constructor(root, session, onFail) {
    this.root = root;
    this.session = session;
    this.onFail = onFail;
    new ResizeObserver(() => this.#draw()).observe(root);
  }

  /** Show the feature of this key, or the one that changed last; ask anew when it is another one, or has changed. */
  show(board, wanted, changed, nowMs) {
    this.#nowMs = nowMs;
    const feature = board.features.get(wanted) ?? newest(board);
    this.#feature = feature;
    if (!feature) {
      this.#key = null;
      this.root.replaceChildren(element("p", { class: "empty", text: "No work package yet." }));
    } else if (feature.key !== this.#key) {
      this.#key = feature.key;
      this.#answer = null;
      this.#ask();
    } else if (changed.has(feature.key)) {
      this.#timer ??= setTimeout(() => this.#ask(), FRESH_MS);
    }
  }

  /** Forget all that was drawn: it was another team's. */
  clear() {
    clearTimeout(this.#timer);
    this.#timer = this.#key = this.#answer = this.#feature = null;
    this.root.replaceChildren();
  }

  async #ask() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const { key, project, slug } = this.#feature;
    try {
      const answer = await this.session.get(`/api/v1/history/?${new URLSearchParams({ project, feature: slug })}`);
      if (key !== this.#key) return; // somebody looks at another one by now
      this.#answer = answer;
      this.#draw();
    } catch (error) {
      this.#key = null; // the next look asks again
      this.onFail(error);
    }
  }

  #draw() {
    if (!this.#answer || this.root.clientWidth === 0) return;
    const { flow, cycle_times: cycles } = this.#answer;
    const columns = this.root.clientWidth < TWO_FROM_PX ? 1 : 2;
    this.root.dataset.columns = columns;
    const width = Math.floor((this.root.clientWidth - GAP_PX * (columns - 1)) / columns - FRAME_PX);
    const until = isFinished(this.#feature) ? null : new Date(this.#nowMs).toISOString();
    const openTables = [...this.root.querySelectorAll("details")].map((node) => node.open);
    this.root.replaceChildren(
      element("h3", { class: "slug", dir: "auto", text: plain(this.#feature.slug, 200) }),
      figure("Cumulative flow", "How many work packages were in each lane.",
        flow.length ? flowChart(flow, width, until) : null, LANES,
        () => table(["Time", ...LANES.map(laneName)], flow.map((at) =>
          [moment(at.at, 0), ...LANES.map((lane) => at[lane])]))),
      figure("Cycle time", cycleWords(cycles), cycles.length ? cycleChart(cycles, width) : null, [],
        () => table(["Work package", "Started", "Done", "Took"], cycles.map((cycle) =>
          [plain(cycle.wp_id, 40), moment(cycle.started_at, 0), moment(cycle.done_at, 0), exactSpan(cycle.seconds)]))),
    );
    this.root.querySelectorAll("details").forEach((node, index) => {
      node.open = openTables[index] ?? false;
    });
  }
}

function cycleWords(cycles) {
  if (cycles.length === 0) return "From doing to done.";
  const last = day(Math.max(...cycles.map((cycle) => Date.parse(cycle.done_at))));
  return `From doing to done: ${exactSpan(median(cycles.map((cycle) => cycle.seconds)))} is the median of `
    + `${cycles.length}, the last on ${last}.`;
}

function newest(board) {
  const last = (feature) => [...feature.cards.values()].map((card) => card.updated_at ?? "").sort().at(-1) ?? "";
  return [...board.features.values()].sort((a, b) =>
    last(b).localeCompare(last(a)) || compareFeatures(a, b))[0] ?? null;
}

function figure(title, words, chart, lanes, makeTable) {
  const legend = lanes.map((lane) => element("li", { class: lane, text: laneName(lane) }));
  return element("figure", {},
    element("figcaption", {}, element("h4", { text: title }), element("p", { text: words })),
    ...(legend.length && chart ? [element("ul", { class: "legend" }, ...legend)] : []),
    chart ?? element("p", { class: "empty", text: "Nothing yet." }),
    ...(chart ? [element("details", {}, element("summary", { text: "As a table" }),
      element("div", { class: "scroll" }, makeTable()))] : []));
}

function table(heads, rows) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col", text })))),
    element("tbody", {}, ...rows.map(([first, ...rest]) => element("tr", {},
      element("th", { scope: "row", text: first }), ...rest.map((text) => element("td", { text }))))));
}
