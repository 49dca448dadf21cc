// The explanation of an answer: what speaks for the label and what for the runner-up, in words and as a table.

import { table } from "./answer.js";
import { element, make } from "./dom.js";
import { listed, shown, signed, tenths } from "./words.js";

// rows of the table for either label; parts that are named in a sentence
const N_ROWS = 4, N_NAMED = 3;
// a part that is smaller than this share of the greatest is not worth a word
const LEAST_SHARE = 0.15;

// Show the explanation of an answer.
export function showExplanation(explanation, answer) {
  const { winner, runner_up: second, lead } = explanation, parts = summed(explanation.parts);
  element("why-heading").textContent = `Why ${shown(winner)} rather than ${shown(second)}`;
  element("why-body").replaceChildren(
    ...sentences(explanation, parts, answer.status).map(text => make("p", {}, text)),
    leadTable(parts, lead, shown(winner), shown(second)),
    make("p", { class: "note" }, "The score of a label says how well it fits. The table divides the difference of the two scores, its lead, exactly: " +
      `a part above 0 speaks for ${shown(winner)}, one below 0 for ${shown(second)}. MFCC are numbers for the shape of the spectrum, of which low ones describe its coarse shape.`),
  );
}

// Return the parts by what was measured, those with the greatest lead of either sign first.
function summed(parts) {
  const leads = new Map();
  for (const part of parts) {
    const name = part.quantity || part.name;
    leads.set(name, (leads.get(name) ?? 0) + part.lead);
  }
  return [...leads].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}

function sentences({ winner, runner_up: second, log_odds: logOdds, rows, open_set: openSet }, parts, status) {
  const least = LEAST_SHARE * Math.abs(parts[0]?.[1] ?? 0), said = [];
  const named = sign => parts.filter(([, lead]) => sign * lead > least).slice(0, N_NAMED).map(([name]) => shown(name));
  const pro = named(1), against = named(-1);
  if (status === "unknown") said.push("The answer is “unknown”. These are the two labels that come nearest.");
  if (status === "mixed") said.push("The answer is “mixed”. The recording is explained as if it were of one label: these are the two that come nearest to all of it.");
  if (logOdds > 0) said.push(`The model holds ${shown(winner)} to be ${times(Math.exp(logOdds))} likely as ${shown(second)}.`);
  if (pro.length) said.push(`Most of what speaks for ${shown(winner)}: ${listed(pro)}.`);
  said.push(against.length ? `What speaks for ${shown(second)}: ${listed(against)}.` : `Little speaks for ${shown(second)}.`);
  if (rows?.length > 1) {
    const n = rows.filter(row => row.lead > 0).length;
    said.push(`Of ${rows.length} pieces of the sound that were scored, ${n === rows.length ? "all" : n} are nearer to ${shown(winner)} than to ${shown(second)}.`);
  }
  if (status !== "mixed" && openSet && openSet.distance !== null && openSet.distance !== undefined)
    said.push(openSet.distance >= 0
      ? `The sound is near enough to what the model knows: its ${openSet.statistic} is ${tenths(openSet.value)}, and below ${tenths(openSet.threshold)} it would be unknown.`
      : `The sound is too far from what the model knows: its ${openSet.statistic} is ${tenths(openSet.value)}, and below ${tenths(openSet.threshold)} it is unknown.`);
  return said;
}

function times(ratio) {
  if (ratio < 1.05) return "about as";
  if (ratio >= 1000) return "over 1000 times as";
  return ratio >= 10 ? `about ${Math.round(ratio)} times as` : `${ratio.toFixed(1)} times as`;
}

function leadTable(parts, lead, winner, second) {
  const side = sign => parts.filter(part => sign * part[1] > 0).slice(0, N_ROWS);
  const shownParts = [...side(1), ...side(-1).reverse()], rest = parts.filter(part => !shownParts.includes(part));
  if (rest.length) shownParts.push([rest.length === 1 ? rest[0][0] : `${rest.length} others`, rest.reduce((sum, part) => sum + part[1], 0)]);
  const widest = Math.max(...shownParts.map(part => Math.abs(part[1])), 1e-12);
  const rows = shownParts.map(([name, value]) => {
    const bar = make("span");
    bar.style.setProperty("--share", (Math.abs(value) / widest).toFixed(4));
    return make("tr", {}, make("th", { scope: "row" }, shown(name)), make("td", { class: "number" }, signed(value)),
      make("td", { class: `lead ${value >= 0 ? "for" : "against"}`, "aria-hidden": "true" }, bar));
  });
  const total = make("tr", {}, make("th", { scope: "row" }, "lead"), make("td", { class: "number" }, signed(lead)), make("td", { "aria-hidden": "true" }));
  const made = table("The lead, by what was measured", ["What was measured", "Lead"], rows, [total]);
  made.querySelector("thead tr").append(make("td", { class: "sides", "aria-hidden": "true" }, make("span", {}, `← ${second}`), make("span", {}, `${winner} →`)));
  return made;
}
