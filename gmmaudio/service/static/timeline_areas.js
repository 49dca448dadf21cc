// The labels of a timeline that have a colour of their own, and their shapes. Nothing here touches the page.

import { shown } from "./words.js";

// the colours of gmmaudio's pictures; after the last, each again, lighter
const SERIES = ["#3a80c2", "#c2671f", "#2b9163", "#c25285", "#8a6fd0", "#877f1c"];
const OTHERS = "#63707c";
const STATUSES = { unknown: "#8a9199", silence: "#c4c9ce" };
// labels beyond, and those that have no segment and never so great a probability, share one area
const N_LABELS = 12, LEAST = 0.05;
const N_POINTS = 1000;
export const WIDTH = 1000, HEIGHT = 200;

function colour(i) {
  const strong = SERIES[i % SERIES.length];
  if (i < SERIES.length) return strong;
  return "#" + [1, 3, 5].map(at => ((parseInt(strong.slice(at, at + 2), 16) + 255) >> 1).toString(16)).join("");
}

// Return the areas of a timeline: name, colour, the columns of posteriors, and whether a segment belongs to it.
export function areasOf({ labels, segments, posteriors, shares }) {
  const heard = new Set(segments.filter(s => s.status === "ok").map(s => s.label)), names = [...new Set([...labels, ...heard])];
  const greatest = new Map(names.map((name, i) => [name, posteriors.reduce((most, row) => Math.max(most, row[i] ?? 0), 0)]));
  const weight = name => heard.has(name) ? 2 + (shares[name] ?? 0) : greatest.get(name);
  const order = names.filter(name => weight(name) >= LEAST).sort((a, b) => weight(b) - weight(a)).slice(0, N_LABELS);
  const own = new Set(order);
  const areas = names.filter(name => own.has(name)).map(name => ({
    name: shown(name), colour: colour(order.indexOf(name)), columns: labels.includes(name) ? [labels.indexOf(name)] : [],
    has: s => s.status === "ok" && s.label === name,
  }));
  const others = names.filter(name => !own.has(name));
  if (others.length) areas.push({
    name: `${others.length} other${others.length === 1 ? "" : "s"}`, colour: OTHERS,
    columns: others.map(name => labels.indexOf(name)).filter(i => i >= 0), has: s => s.status === "ok" && !own.has(s.label),
  });
  Object.entries(STATUSES).forEach(([status, its], i) => {
    const area = { name: `[${status}]`, colour: its, columns: [labels.length + i], has: s => s.status === status };
    if (segments.some(area.has) || posteriors.some(row => row[labels.length + i] > 0.005)) areas.push(area);
  });
  return areas;
}

// Return the outline of each area, stacked; their probabilities sum to the height.
export function stackedPaths(areas, { times, posteriors, duration_s }) {
  const step = Math.max(1, Math.ceil(times.length / N_POINTS)), points = [];
  for (let i = 0; i < times.length; i += step) points.push([WIDTH * times[i] / duration_s, posteriors[i]]);
  if (!points.length) return [];
  points.unshift([0, points[0][1]]);
  points.push([WIDTH, points.at(-1)[1]]);
  let below = points.map(() => 0);
  return areas.map(area => {
    const above = points.map(([, row], i) => below[i] + area.columns.reduce((sum, column) => sum + row[column], 0));
    const at = (i, level) => `${points[i][0].toFixed(1)} ${(HEIGHT * (1 - Math.min(level[i], 1))).toFixed(1)}`;
    const line = points.map((_, i) => at(i, above)), back = points.map((_, i) => at(i, below)).reverse();
    below = above;
    return `M${line.join("L")}L${back.join("L")}Z`;
  });
}

// Return the bars of the segments of an area in its lane.
export function lanePath(area, lane, { segments, duration_s }) {
  return segments.filter(area.has).map(({ start, end }) => {
    const x = WIDTH * start / duration_s, width = Math.max(WIDTH * (end - start) / duration_s, 1);
    return `M${x.toFixed(2)} ${(lane + 0.15).toFixed(2)}h${width.toFixed(2)}v.7h-${width.toFixed(2)}z`;
  }).join("");
}

// Return the outline of a waveform: the highest and the lowest sample of each of many parts.
export function wavePath(channels) {
  const n = channels[0].length, parts = Math.min(WIDTH, n), low = [], high = [];
  let peak = 1e-4;
  for (let i = 0; i < parts; i++) {
    let least = 0, most = 0;
    for (const samples of channels)
      for (let j = Math.floor(i * n / parts); j < Math.floor((i + 1) * n / parts); j++) {
        if (samples[j] < least) least = samples[j];
        if (samples[j] > most) most = samples[j];
      }
    low.push(least);
    high.push(most);
    peak = Math.max(peak, most, -least);
  }
  const at = (level, i) => `${(WIDTH * (i + 0.5) / parts).toFixed(1)} ${(HEIGHT / 2 * (1 - 0.94 * level / peak)).toFixed(1)}`;
  return `M${high.map((level, i) => at(Math.max(level, 0.006 * peak), i)).join("L")}L${low.map((level, i) => at(Math.min(level, -0.006 * peak), i)).reverse().join("L")}Z`;
}
