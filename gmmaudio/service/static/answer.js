// The answer for a recording: label and probability in words, and the other labels.

import { element, make } from "./dom.js";
import { CERTAINTY, certainty, clock, count, isNear, length, listed, percent, shown, size } from "./words.js";

// labels that are shown at once, and the least probability of all but two of them; others are folded
const N_SHOWN = 5, LEAST = 0.005;

// Show the answer, and return it as a sentence.
export function showAnswer(prediction, { sound, name, nFiles }, facts) {
  element("answer-file").textContent = `${shown(name)} · ${clock(prediction.duration_s)} · ${size(sound.size)}` +
    (nFiles > 1 ? ` · the first of ${nFiles} files: one at a time` : "");
  const show = { ok: showLabel, mixed: showMixed }[prediction.status] || showUnknown;
  const { heading, sub, parts } = show(prediction, ranked(prediction.probability ?? prediction.scores), facts);
  element("answer-heading").replaceChildren(heading, ...(sub ? [" ", make("span", {}, sub)] : []));
  element("answer-body").replaceChildren(...caveats(prediction.caveats ?? []), ...parts, ...notes(prediction.notes ?? []));
  return sub ? `${heading} ${sub}` : heading;
}

// Return pairs of label and value, the highest first.
const ranked = values => Object.entries(values).sort((a, b) => b[1] - a[1]);

function showLabel({ label, probability, caveats = [] }, values, facts) {
  if (!probability)
    return { heading: shown(label), sub: "by the highest score", parts: [uncalibrated(), scoreTable(values)] };
  const p = probability[label], [second] = values.filter(([name]) => name !== label), parts = [];
  if (second && isNear(p, second[1])) parts.push(make("p", {}, `${shown(second[0])} is nearly as likely: it may well be that.`));
  parts.push(make("p", {}, meaning(p, facts, caveats)), bars(values, `Probability of each label`), wordTable());
  return { heading: shown(label), sub: `${percent(p)}: ${certainty(p)}`, parts };
}

function showMixed({ shares }, values) {
  const parts = ranked(shares ?? {}).filter(([, share]) => share > 0);
  const words = make("p", {}, "The recording has parts of several labels. The timeline below says when each is heard.");
  return {
    heading: "mixed",
    sub: listed(parts.slice(0, 3).map(([label, share]) => `${shown(label)} ${percent(share)}`)),
    parts: [words, parts.length ? bars(parts, "Share of the sound") : scoreTable(values)],
  };
}

function showUnknown({ probability, message }, values) {
  const reason = make("p", {}, make("strong", {}, "The model does not know this sound"), message ? `: ${message}. ` : ". ",
    "No label is named. That is right for other music, other languages and noise; a poor recording may be unknown too.");
  if (!probability) return { heading: "unknown", sub: null, parts: [reason, uncalibrated(), scoreTable(values)] };
  return { heading: "unknown", sub: null, parts: [reason, bars(values, "Were it one of the labels, it would be")] };
}

function meaning(p, facts, caveats) {
  if (caveats.some(({ code }) => code === "confounded_training_set"))
    return "How many answers with such a probability are right is not known.";
  if (facts && facts.n_groups === null)
    return "The probability is likely too high: which training clips belong together, by artist or speaker, was not known.";
  const which = "If the recording is like those that the model was trained on, ";
  return which + (p >= 0.995 ? "hardly any answer with such a probability is wrong."
    : `about ${Math.round(100 * p)} of 100 answers with such a probability are right.`);
}

const uncalibrated = () => make("p", {}, "The model was not calibrated: it has scores, which say which label is nearer, and no probabilities.");

function bars(values, heading) {
  const row = ([label, share]) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", Math.min(Math.max(share, 0), 1).toFixed(4));
    return make("li", {}, make("span", { class: "name" }, shown(label)), " ", bar, " ", make("span", { class: "number" }, percent(share)));
  };
  const most = values.length > N_SHOWN + 1 ? N_SHOWN : values.length;
  const n = Math.min(most, Math.max(2, values.filter(([, share]) => share >= LEAST).length)), rest = values.slice(n);
  const list = make("div", {}, make("h3", {}, heading), make("ol", { class: "bars" }, ...values.slice(0, n).map(row)));
  if (!rest.length) return list;
  const together = percent(rest.reduce((sum, [, share]) => sum + share, 0));
  list.append(make("details", {}, make("summary", {}, `${count(rest.length, "other label")}, together ${together}`),
    make("ol", { class: "bars", start: n + 1 }, ...rest.map(row))));
  return list;
}

function scoreTable(values) {
  const rows = values.map(([label, score]) => make("tr", {}, make("th", { scope: "row" }, shown(label)),
    make("td", { class: "number" }, score.toFixed(2)), make("td", { class: "number" }, (values[0][1] - score).toFixed(2))));
  return table("Scores, the best first", ["Label", "Score", "Behind the best"], rows);
}

function wordTable() {
  const bounds = (lowest, above) => !above ? `${percent(lowest)} or more` : lowest ? `${percent(lowest)} to ${percent(above[0])}` : `below ${percent(above[0])}`;
  const rows = CERTAINTY.map(([lowest, word], i) => make("tr", {}, make("th", { scope: "row" }, word), make("td", {}, bounds(lowest, CERTAINTY[i - 1]))));
  return make("details", {}, make("summary", {}, "What the words stand for"), table("Words for probabilities", ["Word", "Probability"], rows));
}

// Return a table with its caption, which scrolls by itself where it is wider than the page.
export function table(caption, columns, rows, foot = []) {
  const head = make("tr", {}, ...columns.map((name, i) => make("th", { scope: "col", class: rows[0]?.children[i]?.className || "words" }, name)));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...rows),
      ...(foot.length ? [make("tfoot", {}, ...foot)] : [])));
}

// Return what is to be said of every probability.
const caveats = found => found.map(({ text }) => make("p", { class: "note" }, make("strong", {}, "Caveat: "), `${text}.`));

function notes(found) {
  if (!found.length) return [];
  const words = found.map(({ text, seconds }) => make("li", {}, text + (seconds ? ` (${length(seconds)})` : "")));
  return [make("h3", {}, "About the file"), make("ul", {}, ...words)];
}
