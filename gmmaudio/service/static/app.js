// The page: what is chosen, dropped or recorded goes to the service, and its answers are shown.

import { showAnswer } from "./answer.js";
import { announce, element } from "./dom.js";
import { showExplanation } from "./explanation.js";
import { showFacts } from "./facts.js";
import { closePlayer, connectPlayer, openPlayer, showTimeline } from "./player.js";
import { refusal, startRecording, whyNot } from "./recorder.js";
import { ask, Problem } from "./requests.js";
import { canBeRetried, clock, length, percent, problemWords, retryWords, shown, size } from "./words.js";
import { bytesPerSecond } from "./wave_file.js";

// longest recording by the microphone, seconds
const LONGEST_RECORDING_S = 600;
// a level below is not heard, and is said after so many seconds
const QUIET = 0.002, QUIET_S = 3;

// the facts of the model; the recording {sound, name, nFiles}; its prediction; what stops the work of the moment
let facts = null, chosen = null, answer = null, work = null, again = null, countdown = 0;

const isVisible = name => !element(name).hidden;
const show = (...names) => names.forEach(name => { element(name).hidden = false; });
const hide = (...names) => names.forEach(name => { element(name).hidden = true; });

// Move the focus there, which reads it to those who do not see it; a reader who is elsewhere on the page is told instead.
function lead(name, words, from = []) {
  const here = document.activeElement;
  const isFree = !here || here === document.body || !here.checkVisibility() || ["file", "cancel", "again", ...from].includes(here.id);
  announce(isFree ? "" : words);
  if (!isFree) return;
  element(name).focus({ preventScroll: true });
  element(name).scrollIntoView({ block: "nearest" });
}

// --- tokens -------------------------------------------------------------------------------------------------------

// one question for all requests that wait for its answer
let asked = null;

function askToken(isWrong, signal) {
  if (!asked) {
    element("token-words").textContent = isWrong ? "This token is not accepted. Ask whoever runs the service for the right one."
      : "The service answers those who know its token. Whoever runs it can tell you.";
    asked = new Promise(resolve => {
      element("token-form").onsubmit = event => {
        event.preventDefault();
        resolve(element("token").value.trim());
      };
    }).then(token => {
      asked = null;
      element("token").value = "";
      hide("token-part");
      return token;
    });
    show("token-part");
    element("token").focus();
    announce(element("token-words").textContent);
  }
  const cancelled = new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
  });
  return Promise.race([asked, cancelled]);
}

// --- work ---------------------------------------------------------------------------------------------------------

// Do some work that can be cancelled; what fails is shown, and done again if the reader wants it.
async function run(words, task) {
  work?.abort();
  const mine = new AbortController();
  work = mine;
  hideProblem();
  showProgress(words, null);
  show("work");
  lead("cancel", words, ["record-start", "explain"]);
  try {
    await task(mine.signal);
  } catch (error) {
    if (work !== mine) return;
    hide("work");
    if (error.name === "AbortError") {
      lead("file", "Cancelled.");
      announce("Cancelled.");
    } else {
      showProblem(error, error.retry ?? (() => run(words, task)));
    }
  } finally {
    if (work === mine) {
      work = null;
      hide("work");
    }
  }
}

function showProgress(words, share) {
  element("work-words").textContent = words;
  if (share === null) element("work-bar").removeAttribute("value");
  else element("work-bar").value = share;
}

const uploading = (name, doing) => share => {
  if (share === null || share === 1) showProgress(doing, null);
  else showProgress(`Uploading ${shown(name)}: ${percent(share)}`, share);
};

async function request(verb, signal, doing) {
  const { sound, name } = chosen;
  await checkReadable(sound);
  return ask("POST", `/v1/${verb}`, { body: sound, signal, onUpload: doing && uploading(name, doing), askToken });
}

// --- problems -----------------------------------------------------------------------------------------------------

function hideProblem() {
  clearInterval(countdown);
  hide("problem");
}

function showProblem(error, retry) {
  const problem = error instanceof Problem ? error : new Problem(0, "page", `The page has an error: ${error.message}`);
  const { heading, cure } = problemWords(problem), busy = problem.retryS !== null;
  again = retry;
  element("problem-heading").textContent = heading;
  element("problem-detail").textContent = (chosen ? `${shown(chosen.name)}: ` : "") + sentence(problem.message);
  element("again").hidden = !canBeRetried(problem) || ["empty", "unreadable"].includes(problem.code);
  const showCure = () => { element("problem-cure").textContent = busy ? `${cure} ${retryWords(problem.retryS)}` : cure; };
  showCure();
  clearInterval(countdown);
  if (busy) countdown = setInterval(() => {
    problem.retryS -= 1;
    showCure();
    if (problem.retryS <= 0) clearInterval(countdown);
  }, 1000);
  show("problem");
  lead("problem-heading", `${heading}. ${element("problem-cure").textContent}`);
}

const sentence = text => text + (/[.!?]$/.test(text) ? "" : ".");

// --- a recording --------------------------------------------------------------------------------------------------

function take(sound, name, nFiles = 1) {
  chosen = { sound, name, nFiles };
  answer = null;
  closePlayer();
  hide("answer", "why");
  return run(`Classifying ${shown(name)} …`, classify);
}

// a folder, or a file that was moved or changed since it was chosen, would look like a connection that breaks
async function checkReadable(sound) {
  try {
    await sound.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem(0, "unreadable", "The browser cannot read it.");
  }
}

// raise what the service would refuse only after the upload
function checkSize({ sound }) {
  if (!sound.size) throw new Problem(0, "empty", "It has no bytes.");
  if (facts && sound.size > facts.limits.bytes)
    throw new Problem(413, "too_large", `It has ${size(sound.size)}; the service takes ${size(facts.limits.bytes)} at most.`);
}

async function classify(signal) {
  checkSize(chosen);
  answer = await request("classify", signal, `Classifying ${shown(chosen.name)} …`);
  const words = showAnswer(answer, chosen, facts);
  show("answer");
  openPlayer(chosen.sound, answer.duration_s);
  offerExplanation();
  lead("answer-heading", `Answer: ${words}`);
  await overTime(signal);
}

// the answer stays where this fails
async function overTime(signal) {
  const words = "Following the labels over time …";
  showProgress(words, null);
  try {
    showTimeline(await request("timeline", signal));
  } catch (error) {
    error.retry = () => run(words, overTime);
    throw error;
  }
}

function offerExplanation() {
  const longest = facts?.limits.explained_s ?? Infinity, isLong = answer.duration_s > longest;
  element("why-heading").textContent = "Why";
  element("why-body").textContent = isLong ? `Recordings of up to ${length(longest)} are explained; this one is longer.` : "";
  element("explain").hidden = isLong;
  show("why");
}

async function explain(signal) {
  showExplanation(await request("explain", signal), answer);
  hide("explain");
  lead("why-heading", "The explanation is there.", ["explain"]);
}

// --- files --------------------------------------------------------------------------------------------------------

function takeFiles(files) {
  if (!files.length) return;
  if (recording) discard();
  take(files[0], files[0].name, files.length);
}

function connectFiles() {
  const field = element("file"), zone = document.documentElement;
  field.addEventListener("change", () => {
    takeFiles([...field.files]);
    // so that the same file can be chosen again
    field.value = "";
  });
  const holdsFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
  zone.addEventListener("dragover", event => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    zone.classList.add("dragging");
  });
  zone.addEventListener("dragleave", event => { if (!event.relatedTarget) zone.classList.remove("dragging"); });
  zone.addEventListener("drop", event => {
    zone.classList.remove("dragging");
    if (!holdsFiles(event)) return;
    event.preventDefault();
    takeFiles([...event.dataTransfer.files]);
  });
}

// --- the microphone -----------------------------------------------------------------------------------------------

let recording = null, isStarting = false, heardS = 0, longestS = LONGEST_RECORDING_S;

async function startRecordingNow() {
  // a button that is disabled would lose the focus
  if (isStarting) return;
  isStarting = true;
  say("The browser may ask whether the page may use the microphone.");
  try {
    heardS = 0;
    recording = await startRecording(showLevel, () => recording && stopRecording());
    const bytes = facts?.limits.bytes ?? Infinity;
    longestS = Math.min(LONGEST_RECORDING_S, facts?.limits.duration_s ?? Infinity, (bytes - 1000) / bytesPerSecond(recording.rate));
    hide("record-start");
    show("record-stop", "record-discard", "record-level");
    say(whileRecording());
    element("record-stop").focus();
    announce("Recording.");
  } catch (error) {
    say(refusal(error));
    announce(refusal(error));
  } finally {
    isStarting = false;
  }
}

const whileRecording = () => `Recording. Half a minute is enough; it ends by itself after ${length(Math.floor(longestS))}.`;

function say(text) {
  if (element("record-note").textContent !== text) element("record-note").textContent = text;
}

function showLevel(piece, seconds) {
  if (!recording) return;
  let peak = 0;
  for (const sample of piece) peak = Math.max(peak, Math.abs(sample));
  element("record-clock").textContent = clock(seconds);
  // 60 dB below full scale is the left end
  element("record-meter").style.setProperty("--share", Math.min(Math.max(1 + 20 * Math.log10(peak + 1e-9) / 60, 0), 1).toFixed(3));
  if (peak > QUIET) heardS = seconds;
  say(seconds - heardS > QUIET_S ? "Nothing is heard. Is the microphone muted, or another one chosen?" : whileRecording());
  if (seconds >= longestS) stopRecording();
}

async function stopRecording() {
  const ended = recording;
  recording = null;
  if (!ended) return;
  const sound = await ended.stop();
  resetRecorder();
  take(sound, "recording.wav");
}

function discard() {
  recording?.discard();
  recording = null;
  resetRecorder();
}

function resetRecorder() {
  const hadFocus = ["record-stop", "record-discard"].includes(document.activeElement.id);
  hide("record-stop", "record-discard", "record-level");
  show("record-start");
  say(HOW_TO_RECORD);
  if (hadFocus) element("record-start").focus();
}

const HOW_TO_RECORD = "Some seconds of music or speech; half a minute is better. Nothing is sent before you stop.";

function connectRecorder() {
  const reason = whyNot();
  say(reason ?? HOW_TO_RECORD);
  if (reason) hide("record-buttons");
  element("record-start").addEventListener("click", startRecordingNow);
  element("record-stop").addEventListener("click", stopRecording);
  element("record-discard").addEventListener("click", () => {
    discard();
    announce("Discarded.");
  });
}

// --- begin --------------------------------------------------------------------------------------------------------

async function loadFacts() {
  try {
    facts = await ask("GET", "/v1/model", { askToken });
    showFacts(facts);
  } catch (error) {
    showProblem(error, loadFacts);
    return;
  }
  if (again === loadFacts) hideProblem();
}

connectFiles();
connectRecorder();
connectPlayer();
element("cancel").addEventListener("click", () => work?.abort());
element("again").addEventListener("click", () => again?.());
element("explain").addEventListener("click", () => run("Explaining the answer …", explain));
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && work && isVisible("work")) work.abort();
});
show("intake");
loadFacts();
