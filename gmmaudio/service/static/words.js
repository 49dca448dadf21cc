// Numbers, names and problems in words. Nothing here touches the page.

// Lowest probability that a word stands for; docs/service.md has the same table.
export const CERTAINTY = [
  [0.95, "nearly sure"],
  [0.8, "fairly sure"],
  [0.6, "likely"],
  [0.4, "uncertain"],
  [0, "a guess"],
];
// A runner-up that is so near is said to be.
const NEAR = 0.1;

export const certainty = p => CERTAINTY.find(([lowest]) => p >= lowest)[1];

// Whether a second probability is so near to the first that both may well be right.
export const isNear = (first, second) => first - second < NEAR;

export function percent(p) {
  if (p > 0 && p < 0.005) return "under 1\u00a0%";
  if (p < 1 && p >= 0.995) return "over 99\u00a0%";
  return Math.round(100 * p) + "\u00a0%";
}

const two = n => String(n).padStart(2, "0");

// Return a time as m:ss, or h:mm:ss; with tenths where they are asked for.
export function clock(seconds, hasTenths = false) {
  const units = Math.round(seconds * (hasTenths ? 10 : 1)), s = hasTenths ? Math.floor(units / 10) : units;
  const tail = two(s % 60) + (hasTenths ? "." + (units % 10) : ""), m = Math.floor(s / 60);
  return m >= 60 ? `${Math.floor(m / 60)}:${two(m % 60)}:${tail}` : `${m}:${tail}`;
}

// Return a length in words: 12.3 s, 4.5 min, 2.0 h.
export function length(seconds) {
  if (seconds < 100) return (Number.isInteger(seconds) ? seconds : seconds.toFixed(1)) + "\u00a0s";
  const [value, unit] = seconds < 6000 ? [seconds / 60, "min"] : [seconds / 3600, "h"];
  return (Number.isInteger(value) ? value : value.toFixed(1)) + "\u00a0" + unit;
}

export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let i = 0;
  for (; bytes >= 1024 && i < units.length - 1; i++) bytes /= 1024;
  return (i && bytes < 10 && !Number.isInteger(bytes) ? bytes.toFixed(1) : Math.round(bytes)) + "\u00a0" + units[i];
}

export const count = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

// Return a list of words as a sentence has it.
export function listed(words, last = "and") {
  return words.length < 2 ? words.join("") : words.slice(0, -1).join(", ") + ` ${last} ` + words.at(-1);
}

const MINUS = "\u2212";
export const signed = number => (number < 0 ? MINUS : "+") + Math.abs(number).toFixed(2);
export const tenths = number => (number < 0 ? MINUS : "") + Math.abs(number).toFixed(1);

// Return a name with control and invisible characters as escapes, so that it reads as it is.
export const shown = name => String(name).replace(/\p{C}/gu, c => `\\u{${c.codePointAt(0).toString(16)}}`);

// Reason code -> heading, and what to do about it.
const CONVERT = "Convert it to WAV or FLAC with another program, and send that.";
const DAMAGED = "Export or copy the recording once more from where it came from.";
const SHORTER = "Send a shorter part of it.";
const LATER = "Nothing is wrong with the recording. Wait a moment, and try again.";
const PROBLEMS = {
  empty: ["The file is empty", "Choose another file, or copy it once more."],
  unreadable: ["The file cannot be read", "A folder cannot be sent, only a single file. If it is a file, it was moved or changed: choose it again."],
  not_audio: ["This is no sound that the service reads", CONVERT],
  needs_media: ["The service has no decoder for this format", CONVERT],
  damaged: ["The file is damaged", DAMAGED],
  bad_header: ["The head of the file is damaged", DAMAGED],
  mixed_rates: ["The file has parts of different sample rates", "Export it with one sample rate."],
  no_samples: ["The file has a head and no sound", DAMAGED],
  truncated: ["The end of the file is missing", DAMAGED],
  non_finite: ["The file has samples that are no numbers", "Export it as 16-bit WAV or FLAC."],
  silent: ["There is nothing but silence", "Check the microphone, or choose a part with sound."],
  too_short: ["The recording is too short", "Send some seconds at least; half a minute is better."],
  too_long: ["The recording is too long", SHORTER],
  too_large: ["The file is too large", SHORTER + " A compressed format such as MP3 or Opus is smaller too."],
  no_frames: ["There is too little sound to score", "Send a longer or a louder part."],
  timeout: ["The recording took too long to work on", SHORTER],
  memory: ["The recording took too much memory", SHORTER],
  crashed: ["A decoder crashed at this file", CONVERT],
  failed: ["The recording cannot be used", "Its reason is in the log of the service. " + CONVERT],
  slow: ["The upload was too slow", "Try again by a faster connection, or send a shorter part."],
  busy: ["The service is busy", LATER],
  stopped: ["The service is about to end", "Start it again, then try again."],
  token: ["The token is not accepted", "Try again and type it anew."],
  cross_site: ["The request was refused", "Open the page by the address that the service printed."],
  wrong_host: ["The request was refused", "Open the page by the address that the service printed."],
  internal: ["The service has an error", "Its log has the reason. Try again, or tell who runs it."],
  page: ["The page has an error", "Load it again. If that does not help, tell who runs the service."],
  unreachable: ["The service cannot be reached", "Check that it still runs, and that the network is there. Then try again."],
};
const BY_STATUS = { 401: "token", 403: "cross_site", 408: "slow", 413: "too_large", 415: "not_audio", 421: "wrong_host", 429: "busy", 503: "busy" };

// Return heading and cure of a problem; its detail is what the service says of it.
export function problemWords(problem) {
  const code = Object.hasOwn(PROBLEMS, problem.code) ? problem.code : BY_STATUS[problem.status];
  const [heading, cure] = PROBLEMS[code] || (problem.status >= 500 ? PROBLEMS.internal : ["The recording cannot be used", CONVERT]);
  return { heading, cure };
}

// Whether the same request may be answered later: nothing is wrong with the recording.
export const canBeRetried = ({ status }) => status === 0 || status === 401 || status === 408 || status === 429 || status >= 500;

// Return when to try again, in words.
export function retryWords(seconds) {
  return seconds > 0 ? `It asks to be tried again in ${count(seconds, "second")}.` : "It can be tried again now.";
}
