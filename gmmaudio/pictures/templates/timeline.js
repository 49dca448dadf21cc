(() => {
  const stage = document.getElementById("stage"), now = document.getElementById("now");
  const cursor = document.getElementById("cursor"), audio = document.querySelector("audio");
  const buttons = [...document.querySelectorAll("button[data-s]")];
  const starts = buttons.map(b => Number(b.dataset.s)), ends = buttons.map(b => Number(b.dataset.e));
  const first = Number(stage.dataset.first), last = Number(stage.dataset.last), step = Number(stage.dataset.step);
  let at = first, current = -1;

  const clock = t => {
    const units = Math.round(t * 10), s = Math.floor(units / 10), two = n => String(n).padStart(2, "0");
    const tail = two(s % 60) + "." + units % 10, m = Math.floor(s / 60);
    return m >= 60 ? Math.floor(m / 60) + ":" + two(m % 60) + ":" + tail : m + ":" + tail;
  };
  const segmentAt = t => {
    let low = 0, high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= t) low = middle + 1; else high = middle;
    }
    return low && t < ends[low - 1] ? low - 1 : -1;
  };
  const words = i => {
    if (i < 0) return "no label";
    const cells = buttons[i].closest("tr").children;
    return cells[0].textContent + ", " + cells[1].textContent + " to " + cells[2].textContent +
      (cells[4].textContent === "–" ? "" : ", " + cells[4].textContent);
  };
  const show = t => {
    at = Math.min(Math.max(t, first), last);
    cursor.style.left = 100 * (at - first) / (last - first) + "%";
    const i = segmentAt(at), text = clock(at) + " · " + words(i);
    now.textContent = text;
    stage.setAttribute("aria-valuenow", at.toFixed(1));
    stage.setAttribute("aria-valuetext", text);
    if (i === current) return;
    if (current >= 0) buttons[current].closest("tr").removeAttribute("aria-current");
    if (i >= 0) buttons[i].closest("tr").setAttribute("aria-current", "true");
    current = i;
  };
  const seek = (t, plays) => {
    show(t);
    if (!audio) return;
    audio.currentTime = at;
    if (plays) audio.play().catch(() => {});
  };
  const toggle = () => {
    if (!audio) return;
    if (audio.paused) audio.play().catch(() => {}); else audio.pause();
  };
  const neighbour = by => {
    let i = segmentAt(at);
    if (i < 0) i = by > 0 ? starts.findIndex(s => s > at) - 1 : starts.filter(s => s < at).length;
    const next = Math.min(Math.max(i + by, 0), starts.length - 1);
    return starts.length ? starts[next] : at;
  };

  document.addEventListener("click", event => {
    const button = event.target.closest("button[data-s]");
    if (button) seek(Number(button.dataset.s), true);
  });
  const timeOf = event => {
    const box = stage.getBoundingClientRect();
    return first + (last - first) * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  };
  stage.addEventListener("click", event => {
    const t = timeOf(event), i = event.target.closest(".lanes") ? segmentAt(t) : -1;
    seek(i < 0 ? t : starts[i], i >= 0);
  });
  stage.addEventListener("keydown", event => {
    const keys = {
      ArrowRight: () => seek(at + step), ArrowUp: () => seek(at + step),
      ArrowLeft: () => seek(at - step), ArrowDown: () => seek(at - step),
      PageUp: () => seek(neighbour(1)), PageDown: () => seek(neighbour(-1)),
      Home: () => seek(first), End: () => seek(last), " ": toggle, Enter: toggle,
    };
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  if (audio) {
    audio.addEventListener("timeupdate", () => show(audio.currentTime));
    audio.addEventListener("error", () => { document.getElementById("no-sound").hidden = false; });
    if (audio.error) document.getElementById("no-sound").hidden = false;
  }
  show(first);
})();
