// Draws two charts as SVG: areas over time, and dots over time. Values in, elements out; the words are elsewhere.

import { drawing } from "./elements.js";
import { LANES } from "./model.js";
import { day, exactSpan, moment, plain } from "./wording.js";

const HEIGHT = 260;
const MARGIN = { top: 10, right: 14, bottom: 26, left: 52 };
const DAY_MS = 86_400_000;
/** From the bottom up, as a cumulative flow is read. */
const STACK = [...LANES].reverse();
/** What a chart's numbers may stand apart: whole work packages; seconds in steps that people count in. */
const COUNT_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const TIME_STEPS = [1, 5, 15, 60, 300, 900, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000,
  7_776_000, 31_536_000];

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Stacked areas: how many work packages were in each lane. `changes`: at least one `{at, planned, …}`, oldest first;
 * the last holds until `until` (ISO), when that is given.
 */
export function flowChart(changes, width, until) {
  const flow = until ? [...changes, { ...changes.at(-1), at: until }] : changes;
  const times = flow.map(({ at }) => Date.parse(at));
  const most = Math.max(...flow.map((point) => LANES.reduce((sum, lane) => sum + point[lane], 0)), 1);
  const frame = makeFrame(width, [times[0], times.at(-1)], most, { sizes: COUNT_STEPS, word: String, pad: 0 });
  const bases = flow.map(() => 0);
  const areas = STACK.map((lane) => {
    const below = [...bases];
    flow.forEach((point, index) => {
      bases[index] += point[lane];
    });
    const edge = steps(times, bases, frame);
    const back = steps(times, below, frame).reverse();
    return drawing("path", { class: `area ${lane}`, d: `M${[...edge, ...back].join("L")}Z` });
  });
  return chart(frame, `Cumulative flow of ${most} work packages; the same as a table below.`, areas);
}

/** A dot per finished work package, when it was done and how long it took, and a line at the median. */
export function cycleChart(cycles, width) {
  const times = cycles.map(({ done_at: at }) => Date.parse(at));
  const middle = median(cycles.map(({ seconds }) => seconds));
  const most = Math.max(...cycles.map(({ seconds }) => seconds), 1);
  const frame = makeFrame(width, [Math.min(...times), Math.max(...times)], most, { sizes: TIME_STEPS, word: (seconds) => (seconds ? exactSpan(seconds) : "0"), pad: 60 });
  const y = frame.y(middle);
  const dots = cycles.map(({ wp_id: wpId, seconds }, index) =>
    drawing("circle", { class: "dot", cx: frame.x(times[index]), cy: frame.y(seconds), r: 4 },
      drawing("title", { text: `${plain(wpId, 40)}: ${exactSpan(seconds)}, done ${moment(cycles[index].done_at, 0)}` })));
  const line = drawing("line", { class: "median", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y });
  const word = drawing("text", { class: "median-word", x: MARGIN.left + 4, y: y - 5,
    text: `median ${exactSpan(middle)}` });
  return chart(frame, `Cycle times of ${cycles.length} work packages; the same as a table below.`, [line, ...dots, word]);
}

/** The corners of a line that keeps its height until the next time. */
function steps(times, heights, { x, y }) {
  const corners = [];
  times.forEach((time, index) => {
    if (index > 0) corners.push(`${x(time)} ${y(heights[index - 1])}`);
    corners.push(`${x(time)} ${y(heights[index])}`);
  });
  return corners;
}

/** Where times and heights lie in the drawing, and its axes; `pad` keeps what is wide off its ends. */
function makeFrame(width, [first, last], most, { sizes, word, pad }) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const size = sizes.find((step) => most / step <= 5) ?? most;
  const top = Math.ceil(most / size) * size;
  const reach = last - first || 1;
  const x = (time) => round(MARGIN.left + pad + (last === first ? 0.5 : (time - first) / reach) * (inner.width - 2 * pad));
  const y = (height) => round(MARGIN.top + (1 - height / top) * inner.height);
  const axes = [];
  for (let height = 0; height <= top; height += size) {
    axes.push(drawing("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(height), y2: y(height) }),
      drawing("text", { class: "tick", x: MARGIN.left - 8, y: y(height) + 4, "text-anchor": "end", text: word(height) }));
  }
  const ticks = last === first ? 1 : Math.max(2, Math.min(6, Math.floor(inner.width / 110)));
  for (let tick = 0; tick < ticks; tick += 1) {
    const time = first + (ticks === 1 ? 0 : (reach * tick) / (ticks - 1));
    const anchor = ticks === 1 ? "middle" : { 0: "start", [ticks - 1]: "end" }[tick] ?? "middle";
    const before = tick > 0 ? time - reach / (ticks - 1) : 0; // the day is said where it is another one
    axes.push(drawing("text", { class: "tick", x: x(time), y: HEIGHT - 6, "text-anchor": anchor,
      text: reach > 3 * DAY_MS ? day(time) : moment(new Date(time).toISOString(), before) }));
  }
  return { width, x, y, axes };
}

const round = (value) => Math.round(value * 10) / 10;

function chart({ width, axes }, label, shapes) {
  return drawing("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img",
    "aria-label": label }, ...axes, ...shapes);
}
