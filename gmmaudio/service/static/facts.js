// The facts of the model: labels, what it was trained on, and what to bear in mind.

import { table } from "./answer.js";
import { element, make } from "./dom.js";
import { count, length, listed, shown, size } from "./words.js";

const KINDS = { frames: "mixtures of Gaussians on frames of sound", blocks: "Gaussian mixtures on blocks of some seconds", supervector: "supervectors of a common mixture" };
const PURPOSES = [[/^genre/, "Genre of music"], [/^language/, "Language of speech"]];
// with fewer training clips for each label a model is a try, not a tool
const FEW_CLIPS = 50;
const N_NAMED = 12;

// Show the facts.
export function showFacts(facts) {
  const purpose = PURPOSES.find(([preset]) => preset.test(facts.preset ?? ""))?.[1] ?? "Label of a recording";
  element("title").textContent = purpose;
  document.title = `${purpose} · gmmaudio`;
  const labels = facts.labels.map(shown), named = labels.slice(0, N_NAMED);
  const others = labels.length - named.length;
  element("purpose").textContent = `A model listens to a recording and says which of ${count(labels.length, "label")} fits best, and how sure it is: ` +
    listed(others ? [...named, count(others, "other")] : named, others ? "and" : "or") + ".";
  element("model-body").replaceChildren(definitions(facts), make("h3", {}, "What to bear in mind"),
    make("ul", {}, ...caveats(facts).map(text => make("li", {}, text))), labelTable(facts));
  showLimits(facts);
}

function showLimits({ limits, suffixes, reads_media: readsMedia }) {
  element("file").accept = ["audio/*", "video/*", ...suffixes].join(",");
  element("file-note").textContent = `Or drop one anywhere on this page: ${readsMedia ? "any common format of audio or video" : "WAV, FLAC, Ogg, Opus, MP3 and others"}, ` +
    `up to ${size(limits.bytes)} and ${length(limits.duration_s)}.`;
}

function definitions(facts) {
  const total = Object.values(facts.seconds).reduce((sum, seconds) => sum + seconds, 0);
  const trained = `${count(facts.n_clips, "clip")}, ${length(total)}` + (facts.n_groups ? `, of ${count(facts.n_groups, "group")} (artists, albums or speakers)` : "");
  const rows = [
    ["Kind", (KINDS[facts.kind] ?? facts.kind) + (facts.preset ? `, preset ${facts.preset}` : "")],
    ["Trained on", trained],
    ["Probabilities", probabilities(facts)],
    ["Unknown", facts.is_open_set ? "said of sound far from all labels" : "never said"],
    ["Hears", `up to ${(facts.sample_rate_hz / 2000).toFixed(1)} kHz, mono`],
    ["Limits", `${size(facts.limits.bytes)}, ${length(facts.limits.duration_s)} of sound (${length(facts.limits.explained_s)} to explain), ${length(facts.limits.time_s)} of work`],
    ["Version", `gmmaudio ${facts.version}, model ${facts.sha256.slice(0, 12)}`],
  ];
  return make("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function probabilities(facts) {
  if (!facts.is_calibrated) return "none";
  return "calibrated on clips that were held out" + (facts.n_groups ? ", with all of their group" : ", without regard to groups");
}

// Return what limits the answers, from the facts.
function caveats(facts) {
  const found = ["It knows nothing but its labels, as its training clips show them. Other recordings, microphones and styles make it wrong more often than its probabilities say."];
  if (!facts.is_open_set) found.push("It has no “unknown”: any sound gets one of the labels, noise too.");
  else found.push("“Unknown” is not always said where it should be, and sometimes where it should not.");
  if (!facts.is_calibrated) found.push("It was not calibrated: it says which label is nearest, and not how sure it is.");
  else if (!facts.n_groups) found.push("Which training clips belong together, by artist or speaker, was not known: probabilities are likely too high.");
  if (facts.n_clips < FEW_CLIPS * facts.labels.length)
    found.push(`It was trained on few clips, ${(facts.n_clips / facts.labels.length).toFixed(0)} for each label on average.`);
  found.push("Recordings of half a minute give better answers than those of a few seconds.");
  found.push(isHere() ? "A recording is sent to this computer alone, and deleted once it is answered."
    : `A recording is sent to ${location.host} alone, and deleted there once it is answered.`);
  if (!isHere() && location.protocol !== "https:") found.push("The connection is not encrypted: whoever carries it may hear the recording and read the token.");
  return found;
}

const isHere = () => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(location.hostname);

function labelTable({ labels, seconds }) {
  const rows = labels.map(label => make("tr", {}, make("th", { scope: "row" }, shown(label)),
    make("td", { class: "number" }, Object.hasOwn(seconds, label) ? length(seconds[label]) : "–")));
  return make("details", {}, make("summary", {}, `All ${count(labels.length, "label")}`), table("Sound that the model was trained on", ["Label", "Sound"], rows));
}
