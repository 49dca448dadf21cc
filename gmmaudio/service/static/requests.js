// Requests to the service: progress of uploads, tokens, and problems as errors.

// What was not answered: status of HTTP (0 where there is none), reason code, words, and when to try again.
export class Problem extends Error {
  constructor(status, code, detail, retryS = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryS = retryS;
  }
}

let token = null;

// Return the answer in JSON. `askToken(isWrong, signal)` returns a promise of a token where the service wants one.
export async function ask(method, path, { body = null, signal = null, onUpload = null, askToken }) {
  for (;;) {
    const used = token;
    try {
      return await send(method, path, body, signal, onUpload);
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      // another request may have got one meanwhile
      if (token === used) token = await askToken(used !== null, signal);
    }
  }
}

// fetch() does not say how much of an upload has left, XMLHttpRequest does
function send(method, path, body, signal, onUpload) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const stopped = () => reject(new DOMException("cancelled", "AbortError"));
    if (signal?.aborted) return stopped();
    // a header takes nothing else, nor does the service
    if (token && !/^[\x21-\x7e]+$/.test(token)) return reject(new Problem(401, "token", "The token has characters that no token has."));
    request.open(method, path);
    request.setRequestHeader("Accept", "application/json");
    if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
    if (token) request.setRequestHeader("Authorization", "Bearer " + token);
    if (body && onUpload) {
      request.upload.addEventListener("progress", event => onUpload(event.lengthComputable ? event.loaded / event.total : null));
      request.upload.addEventListener("load", () => onUpload(1));
    }
    request.addEventListener("load", () => {
      const answer = parsed(request.responseText);
      if (request.status === 200 && answer) resolve(answer);
      else reject(problemOf(request, answer));
    });
    request.addEventListener("error", () => reject(new Problem(0, "unreachable", "There was no answer, or the connection broke.")));
    request.addEventListener("abort", stopped);
    request.addEventListener("loadend", () => signal?.removeEventListener("abort", abort));
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// a proxy before the service may answer with anything
function problemOf(request, answer) {
  const detail = typeof answer?.detail === "string" ? answer.detail : `The answer was ${request.status} ${request.statusText}.`;
  return new Problem(request.status, typeof answer?.code === "string" ? answer.code : "", detail, retryAfter(request));
}

// Retry-After is a number of seconds or a date
function retryAfter(request) {
  const given = request.getResponseHeader("Retry-After");
  if (given === null) return null;
  const seconds = /^\d+$/.test(given) ? Number(given) : Math.ceil((Date.parse(given) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) : null;
}
