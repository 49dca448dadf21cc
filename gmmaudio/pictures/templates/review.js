(() => {
  const { id, labels, clips } = JSON.parse(document.getElementById("data").textContent);
  const element = name => document.getElementById(name);
  const audio = element("audio"), list = element("list"), input = element("label");
  const storageKey = "gmmaudio review " + id, KINDS = ["right", "wrong", "skip", "label"], N_KEYS = 9;
  // key of a clip -> {kind, label}; the answers before each change, the latest last
  let answers = {}, history = [], at = 0;

  // control and invisible characters as escapes
  const shown = text => text.replace(/\p{C}/gu, c => "\\u{" + c.codePointAt(0).toString(16) + "}");
  const percent = p => Math.round(100 * p) + " %";
  const make = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const answerOf = clip => answers[clip.key];
  const labelOf = clip => {
    const answer = answerOf(clip);
    return !answer ? null : answer.kind === "label" ? answer.label : answer.kind === "right" ? clip.label : null;
  };

  // --- what the browser keeps -------------------------------------------------------------------------------------

  const isAnswer = a => a === null || (a && KINDS.includes(a.kind) && (a.kind !== "label" || typeof a.label === "string"));
  const restore = () => {
    const keys = new Set(clips.map(clip => clip.key));
    try {
      const kept = JSON.parse(localStorage.getItem(storageKey) || "{}");
      answers = Object.fromEntries(Object.entries(kept.answers || {}).filter(([key, a]) => keys.has(key) && a && isAnswer(a)));
      history = (kept.history || []).filter(step => keys.has(step.key) && isAnswer(step.before));
    } catch {
      element("storage").textContent = "The browser keeps no answers: save the file before you close the page.";
    }
  };
  const keep = () => {
    try {
      localStorage.setItem(storageKey, JSON.stringify({ answers, history }));
    } catch {
      element("storage").textContent = "The browser keeps no answers: save the file before you close the page.";
    }
  };

  // --- what is shown ----------------------------------------------------------------------------------------------

  const answerText = clip => {
    const answer = answerOf(clip);
    if (!answer) return "";
    if (answer.kind === "label") return "label: " + shown(answer.label);
    return { right: clip.label === null ? "right: none of the labels" : "right", wrong: "wrong", skip: "skipped" }[answer.kind];
  };
  const saidText = clip => clip.label === null ? "The model does not know this clip." : "The model says " +
    shown(clip.label) + (clip.ranked.length ? ", " + percent((clip.ranked.find(pair => pair[0] === clip.label) || [0, 0])[1]) : "") + ".";
  const othersText = clip => {
    const others = clip.ranked.filter(([label, p]) => label !== clip.label && p >= 0.005).map(([label, p]) => shown(label) + " " + percent(p));
    return others.length ? (clip.label === null ? "Closest: " : "Next: ") + others.join(", ") : "";
  };
  const count = kind => clips.filter(clip => (answerOf(clip) || {}).kind === kind).length;

  const showAnswers = () => {
    const clip = clips[at], answer = answerOf(clip), n = clips.filter(answerOf).length;
    for (const button of document.querySelectorAll("[data-do=right], [data-do=wrong], [data-do=skip]"))
      button.setAttribute("aria-pressed", String(Boolean(answer) && answer.kind === button.dataset.do));
    for (const button of element("labels").children)
      button.setAttribute("aria-pressed", String(Boolean(answer) && answer.kind === "label" && answer.label === button.dataset.label));
    element("bar").value = n;
    element("count").textContent = n + " of " + clips.length + " answered";
    const saved = clips.filter(clip => labelOf(clip) !== null).length;
    element("summary").textContent = count("right") + " right, " + count("label") + " with another label, " + count("wrong") +
      " wrong, " + count("skip") + " skipped. " + saved + (saved === 1 ? " clip goes" : " clips go") + " into the file.";
    clips.forEach((clip, i) => {
      const item = list.children[i];
      item.lastChild.textContent = answerText(clip);
      if (i === at) item.setAttribute("aria-current", "true"); else item.removeAttribute("aria-current");
    });
  };
  const play = () => {
    element("waiting").hidden = true;
    audio.play().catch(error => { element("waiting").hidden = error.name !== "NotAllowedError"; });
  };
  const show = (i, moves = true) => {
    at = Math.min(Math.max(i, 0), clips.length - 1);
    const clip = clips[at];
    element("name").textContent = (at + 1) + ". " + shown(clip.name);
    element("place").textContent = shown(clip.folder) + ", from " + clip.start + " s";
    element("said").replaceChildren(saidText(clip), make("small", othersText(clip)));
    element("right").textContent = clip.label === null ? "Right: none of the labels" : "Right";
    element("no-sound").hidden = true;
    audio.src = clip.audio;
    const answer = answerOf(clip);
    input.value = answer && answer.kind === "label" && !labels.slice(0, N_KEYS).includes(answer.label) ? answer.label : "";
    showAnswers();
    if (moves) element("name").focus();
    element("live").textContent = "Clip " + (at + 1) + " of " + clips.length + ". " + saidText(clip) + " " + answerText(clip);
    if (element("plays").checked) play();
  };

  // --- answers ----------------------------------------------------------------------------------------------------

  const setAnswer = (kind, label) => {
    const clip = clips[at];
    history.push({ key: clip.key, before: answerOf(clip) || null });
    answers[clip.key] = kind === "label" ? { kind, label } : { kind };
    keep();
    const order = clips.map((_, i) => (at + 1 + i) % clips.length);
    const open = order.find(i => !answerOf(clips[i]));
    if (open !== undefined) { show(open); return; }
    audio.pause();
    showAnswers();
    element("save-name").focus();
    element("live").textContent = "All clips are answered. Save the file: key D.";
  };
  const undo = () => {
    const step = history.pop();
    if (!step) { element("live").textContent = "Nothing to undo."; return; }
    if (step.before) answers[step.key] = step.before; else delete answers[step.key];
    keep();
    show(clips.findIndex(clip => clip.key === step.key));
  };
  const clear = () => {
    if (!confirm("Clear all answers of this review?")) return;
    answers = {};
    history = [];
    keep();
    show(0);
  };

  // --- the file ---------------------------------------------------------------------------------------------------

  const cell = value => {
    const text = String(value);
    // as gmmaudio writes tables: no spreadsheet takes a cell for a formula
    const safe = /^[=+\-@\t\r\n']/.test(text) ? "'" + text : text;
    return /[",;\t\r\n]|^\s|\s$/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
  };
  const probabilityOf = clip => {
    const found = clip.ranked.find(pair => pair[0] === clip.label);
    return found ? found[1].toFixed(4) : "";
  };
  const save = () => {
    const rows = clips.filter(clip => labelOf(clip) !== null);
    if (!rows.length) { element("live").textContent = element("summary").textContent; return; }
    const table = [["path", "label", "group", "predicted", "probability", "answer"], ...rows.map(clip =>
      [clip.path, labelOf(clip), clip.group, clip.label === null ? "" : clip.label, probabilityOf(clip), answerOf(clip).kind])];
    const text = "\ufeff" + table.map(row => row.map(cell).join(",") + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = "reviewed.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    element("live").textContent = "Saved " + rows.length + " clips to reviewed.csv.";
  };

  // --- keys and buttons -------------------------------------------------------------------------------------------

  const actions = {
    right: () => setAnswer("right"), wrong: () => setAnswer("wrong"), skip: () => setAnswer("skip"),
    back: () => show(at - 1), next: () => show(at + 1), undo, save, clear,
    play: () => { if (audio.paused) play(); else audio.pause(); },
  };
  const KEYS = { r: "right", w: "wrong", s: "skip", u: "undo", d: "save", ArrowLeft: "back", ArrowRight: "next", " ": "play" };
  document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) actions[button.dataset.do]();
    if (button.dataset.label !== undefined) setAnswer("label", button.dataset.label);
    if (button.dataset.clip !== undefined) show(Number(button.dataset.clip));
  });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target === input) {
      if (event.key === "Escape") element("name").focus();
      return;
    }
    // these have a meaning of their own on what has the focus
    if ([" ", "ArrowLeft", "ArrowRight"].includes(event.key) && event.target.closest("button, input, audio")) return;
    if (!element("keys").checked && event.key.length === 1 && event.key !== " ") return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, number = Number(key);
    const act = key === "o" ? () => { input.focus(); input.select(); }
      : key !== " " && number >= 1 && number <= Math.min(labels.length, N_KEYS) ? () => setAnswer("label", labels[number - 1])
      : actions[KEYS[key]];
    if (!act || event.repeat) return;
    event.preventDefault();
    act();
  });
  element("other").addEventListener("submit", event => {
    event.preventDefault();
    const label = input.value.trim();
    if (label) setAnswer("label", label); else input.focus();
  });
  audio.addEventListener("error", () => { element("no-sound").hidden = false; });

  labels.slice(0, N_KEYS).forEach((label, i) => {
    const button = make("button", shown(label) + " ");
    button.type = "button";
    button.dataset.label = label;
    button.append(make("kbd", String(i + 1)));
    element("labels").append(button);
  });
  element("known").append(...labels.map(label => Object.assign(document.createElement("option"), { value: label })));
  list.append(...clips.map((clip, i) => {
    const item = document.createElement("li"), button = make("button", shown(clip.name));
    button.type = "button";
    button.dataset.clip = i;
    item.append(button, make("span", clip.label === null ? "unknown" : shown(clip.label)), make("span", ""));
    return item;
  }));
  restore();
  const open = clips.findIndex(clip => !answerOf(clip));
  show(open < 0 ? 0 : open);
})();
