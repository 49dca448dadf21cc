// The player: the recording as sound, its waveform, and the labels over time, which share one place in time.

import { table } from "./answer.js";
import { element, make, shape } from "./dom.js";
import { areasOf, lanePath, stackedPaths, wavePath } from "./timeline_areas.js";
import { clock, listed, percent, shown } from "./words.js";

// a longer recording takes more memory as samples than a page should have, seconds
const LONGEST_WAVE_S = 600;
const LOW_RATE_HZ = 8000, N_ROWS = 300, N_TICKS = 8;
const TICK_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200];

const audio = element("audio"), stage = element("stage");
let durationS = 0, segments = [], at = 0, saidAt = -1, current = -1, address = null, opened = 0;

// --- the recording ------------------------------------------------------------------------------------------------

// Show a recording without labels.
export function openPlayer(sound, seconds) {
  closePlayer();
  durationS = seconds;
  address = URL.createObjectURL(sound);
  audio.hidden = false;
  audio.src = address;
  stage.setAttribute("aria-valuemax", seconds.toFixed(1));
  showTicks();
  element("over-time").hidden = false;
  showPlace(0);
  return showWave(sound, seconds);
}

// Forget the recording.
export function closePlayer() {
  opened++;
  audio.pause();
  audio.removeAttribute("src");
  if (address) URL.revokeObjectURL(address);
  address = null;
  segments = [];
  current = saidAt = -1;
  for (const name of ["areas", "lanes", "names", "ticks", "timeline-body"]) element(name).replaceChildren();
  for (const name of ["over-time", "no-sound", "no-wave", "areas", "lanes", "areas-scale"]) element(name).toggleAttribute("hidden", true);
  element("wave").classList.remove("drawn");
  element("wave").firstElementChild.removeAttribute("d");
  element("now").textContent = "";
}

async function showWave(sound, seconds) {
  const mine = opened;
  const without = text => {
    element("no-wave").textContent = text;
    element("no-wave").hidden = false;
  };
  if (seconds > LONGEST_WAVE_S) return without("The waveform is drawn of recordings of up to 10 minutes.");
  try {
    const decoded = await new OfflineAudioContext(1, 1, LOW_RATE_HZ).decodeAudioData(await sound.arrayBuffer());
    if (mine !== opened) return;
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
    element("wave").firstElementChild.setAttribute("d", wavePath(channels));
    element("wave").classList.add("drawn");
  } catch {
    if (mine === opened) without("There is no waveform: this browser cannot decode the format.");
  }
}

function showTicks() {
  const step = TICK_STEPS_S.find(seconds => durationS / seconds <= N_TICKS) ?? 86400, ticks = [];
  for (let i = 0; i * step <= durationS; i++) {
    const share = i * step / durationS, tick = make("span", {}, clock(i * step, step < 1));
    if (share > 0.97) tick.className = "right";
    else if (i === 0) tick.className = "left";
    tick.style.setProperty("left", 100 * share + "%");
    ticks.push(tick);
  }
  element("ticks").replaceChildren(...ticks);
}

// --- the labels ---------------------------------------------------------------------------------------------------

// Show the timeline of the recording.
export function showTimeline(timeline) {
  segments = timeline.segments;
  const areas = areasOf(timeline), paths = stackedPaths(areas, timeline), lanes = element("lanes");
  element("areas").replaceChildren(...paths.map((d, i) => shape(d, areas[i].colour)));
  for (const name of ["areas", "areas-scale"]) element(name).toggleAttribute("hidden", !paths.length);
  lanes.setAttribute("viewBox", `0 0 1000 ${Math.max(areas.length, 1)}`);
  lanes.style.setProperty("--n", areas.length);
  lanes.toggleAttribute("hidden", !areas.length);
  lanes.replaceChildren(...areas.map((area, i) => shape(lanePath(area, i, timeline), area.colour)));
  element("names").replaceChildren(...areas.map(area => {
    const sign = make("i");
    sign.style.setProperty("--c", area.colour);
    return make("li", { title: area.name }, sign, area.name);
  }));
  element("timeline-body").replaceChildren(...about(timeline, paths.length));
  showPlace(at);
}

const nameOf = segment => segment.status === "ok" ? shown(segment.label) : segment.status;

function about({ shares, notes, caveats = [] }, hasAreas) {
  const heard = Object.entries(shares).filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1]);
  const parts = [];
  if (segments.length === 1) parts.push(make("p", {}, `It is ${nameOf(segments[0])} from the beginning to the end.`));
  else if (heard.length) parts.push(make("p", {}, `Of the sound that has a label: ${listed(heard.map(([label, share]) => `${shown(label)} ${percent(share)}`))}.`));
  if (hasAreas) parts.push(make("p", { class: "note" }, "The coloured areas are the probability of each label at that time; they sum to 100 %. The bars below them are the segments."));
  parts.push(...caveats.map(({ text }) => make("p", { class: "note" }, `Caveat: ${text}.`)));
  parts.push(...notes.map(note => make("p", { class: "note" }, `Note: ${note}.`)));
  if (segments.length > 1) parts.push(segmentTable());
  return parts;
}

function segmentTable() {
  const rows = segments.slice(0, N_ROWS).map((segment, i) => make("tr", {},
    make("td", {}, make("button", { type: "button", "data-segment": i, "aria-label": `Play from ${clock(segment.start, true)}, ${nameOf(segment)}` }, clock(segment.start, true))),
    make("td", { class: "number" }, clock(segment.end, true)),
    make("td", {}, nameOf(segment)),
    make("td", { class: "number" }, segment.probability === null ? "–" : percent(segment.probability))));
  const caption = segments.length > N_ROWS ? `The first ${N_ROWS} of ${segments.length} segments` : "Segments";
  return table(caption, ["From", "To", "Label", "Probability"], rows);
}

// --- the place ----------------------------------------------------------------------------------------------------

const segmentAt = seconds => segments.findIndex(({ start, end }) => start <= seconds && seconds < end);

function words(i) {
  if (i < 0) return "";
  const { start, end, probability } = segments[i];
  return ` · ${nameOf(segments[i])}, ${clock(start, true)} to ${clock(end, true)}` + (probability === null ? "" : `, ${percent(probability)}`);
}

function showPlace(seconds) {
  at = Math.min(Math.max(seconds, 0), durationS);
  element("played").style.setProperty("width", 100 * at / durationS + "%");
  const i = segmentAt(at === durationS ? at - 1e-6 : at), text = clock(at, true) + words(i);
  if (element("now").textContent !== text) element("now").textContent = text;
  // a screen reader that follows the slider is not to be told ten times a second
  if (audio.paused || i !== current || Math.abs(at - saidAt) >= 5) {
    stage.setAttribute("aria-valuenow", at.toFixed(1));
    stage.setAttribute("aria-valuetext", text);
    saidAt = at;
  }
  if (i === current) return;
  current = i;
  document.querySelectorAll("#timeline-body tr[aria-current]").forEach(row => row.removeAttribute("aria-current"));
  document.querySelector(`#timeline-body [data-segment="${i}"]`)?.closest("tr").setAttribute("aria-current", "true");
}

function seek(seconds, plays = false) {
  showPlace(seconds);
  audio.currentTime = at;
  if (plays) play();
}

const play = () => audio.play().catch(() => {});
const toggle = () => audio.paused ? play() : audio.pause();

function neighbour(by) {
  if (by > 0) return segments.find(({ start }) => start > at + 1e-6)?.start ?? durationS;
  return segments.findLast(({ start }) => start < at - 0.5)?.start ?? 0;
}

const isStill = matchMedia("(prefers-reduced-motion: reduce)");
function follow() {
  if (audio.paused) return;
  showPlace(audio.currentTime);
  if (!isStill.matches) requestAnimationFrame(follow);
}

// Let mouse, keyboard and sound move the place.
export function connectPlayer() {
  audio.addEventListener("play", follow);
  audio.addEventListener("timeupdate", () => address && showPlace(audio.currentTime));
  audio.addEventListener("error", () => {
    if (!address) return;
    audio.hidden = true;
    element("no-sound").hidden = false;
  });
  stage.addEventListener("click", event => {
    const box = stage.getBoundingClientRect();
    seek(durationS * (event.clientX - box.left) / box.width);
  });
  stage.addEventListener("keydown", event => {
    const step = Math.max(durationS / 100, 0.1);
    const keys = {
      ArrowRight: () => seek(at + step), ArrowUp: () => seek(at + step), ArrowLeft: () => seek(at - step), ArrowDown: () => seek(at - step),
      PageUp: () => seek(neighbour(1)), PageDown: () => seek(neighbour(-1)), Home: () => seek(0), End: () => seek(durationS),
      " ": toggle, Enter: toggle,
    };
    if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  element("timeline-body").addEventListener("click", event => {
    const button = event.target.closest("[data-segment]");
    if (button) seek(segments[Number(button.dataset.segment)].start, true);
  });
}
