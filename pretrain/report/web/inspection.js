"use strict";
// What a pretrained model and its selector make of single windows, note by note: #inspection, a roll with details.
(() => {
  const data = JSON.parse(document.getElementById("inspection-data").textContent), home = document.getElementById("inspection");
  const pitchField = data.fields.indexOf("pitch"), { tag } = Roll;
  const modes = { score: "selector score", loss: "true loss", recovered: "chosen and recovered" };
  const state = { mode: data.learns ? "score" : "loss", field: -1 };
  let music, scale;

  // ---- what is shown of note i ----

  const mean = (list) => list.reduce((total, value) => total + value, 0) / list.length;
  const asked = () => (state.field < 0 ? data.fields.map((_, f) => f) : [state.field]);
  const chosen = (i) => asked().filter((f) => music.chosen[i][f]);
  const score = (i) => (music.score[i].length > 1 ? mean(asked().map((f) => music.score[i][f])) : music.score[i][0]);
  const loss = (i) => mean(asked().map((f) => music.loss[i][f])) * asked().length;
  const amount = (i) => (state.mode === "score" ? score(i) : loss(i));
  const missed = (i) => mean(chosen(i).map((f) => Number(music.recovered[i][f] !== music.values[i][f])));
  const plain = (name) => name.replace("_", " ");

  // Two ends that leave out the extremes of this window: a selector compares the notes of a window with one another.
  function ends() {
    const sorted = music.onset.map((_, i) => amount(i)).sort((a, b) => a - b);
    return [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  }

  // Between three colours of the style sheet, so that light and dark pages each have their own.
  function blend(names, share) {
    const t = 2 * Math.min(1, Math.max(0, share)), upper = Number(t > 1);
    return `color-mix(in oklab, var(--${names[upper + 1]}) ${Math.round((t - upper) * 100)}%, var(--${names[upper]}))`;
  }

  function colour(i) {
    const [low, high] = scale;
    if (state.mode !== "recovered") return blend(["low", "mid", "high"], high > low ? (amount(i) - low) / (high - low) : 0.5);
    return chosen(i).length ? blend(["right", "part", "wrong"], missed(i)) : "var(--plain)";
  }

  function look(i) {
    const frozen = music.frozen[i], stroke = frozen ? "var(--frozen)" : chosen(i).length ? "var(--ink)" : null;
    return { fill: colour(i), stroke, dashed: frozen };
  }

  // ---- the frame ----

  const controls = tag("div", { className: "controls" }, home);
  function menu(label, options, onchange) {
    const select = tag("select", { onchange: () => onchange(select.value) }, tag("label", {}, controls, `${label} `));
    for (const [value, text] of options) tag("option", { value }, select, text);
    return select;
  }
  menu("piece", data.windows.map((one, k) => [k, `${one.side}: ${one.key} (${one.onset.length} notes)`]), show);
  const coloured = Object.entries(modes).filter(([mode]) => mode !== "score" || data.learns);
  menu("colour", coloured, (mode) => recolour({ mode }));
  menu("field", ["all", ...data.fields].map((name, k) => [k - 1, plain(name)]), (field) => recolour({ field: Number(field) }));
  for (const [sign, title, factor] of [["−", "zoom out", 1 / 1.5], ["+", "zoom in", 1.5]]) {
    tag("button", { type: "button", title, ariaLabel: title, onclick: () => roll.zoom(factor) }, controls, sign);
  }
  const key = tag("div", { className: "key" }, home);
  const roll = new Roll(home, { label: "Piano roll. Left and right go from note to note.", look, onpoint: describe });
  const detail = tag("div", { className: "detail" }, home);

  function drawKey() {
    key.replaceChildren();
    const item = (mark, before, after) => tag("span", {}, key, before, tag("i", { className: mark }), after);
    const subject = state.field < 0 ? "all fields" : plain(data.fields[state.field]), [low, high] = scale;
    if (state.mode === "recovered") item("ramp outcome", `recovered: ${subject} `, "nothing");
    else item("ramp", low.toFixed(2), `${high.toFixed(2)} (${state.mode === "loss" ? `nats, ${subject}` : "score"})`);
    item("chosen", "", "would be masked");
    if (music.frozen.some(Boolean)) item("frozen", "", "frozen");
    item("ghost", "", "predicted pitch, if wrong");
    if (music.correlation !== null) tag("span", {}, key, `rank correlation of score and loss here: ${music.correlation.toFixed(2)}`);
  }

  // List the fields of a note with both predictions.
  function describe(i) {
    const guess = music.predicted[i][pitchField];
    roll.ghost = guess === music.values[i][pitchField] ? null : guess;
    detail.replaceChildren();
    const table = tag("table", {}, tag("div", { className: "wide" }, detail));
    const row = (name, cells) => tag("tr", {}, table, tag("th", {}, null, name), ...cells);
    const cell = (text, className = "") => tag("td", { className }, null, text);
    const word = (value, f) => data.words[f][value] ?? "?";
    const guesses = (values) => values.map((value, f) => (value < 0 ? cell("·") : cell(word(value, f), value === music.values[i][f] ? "hit" : "off")));
    row(`note ${i + 1} of ${music.onset.length}`, data.fields.map((name) => tag("th", {}, null, plain(name))));
    row("is", music.values[i].map((value, f) => cell(word(value, f))));
    row("predicted, masked at random", guesses(music.predicted[i]));
    row("loss, nats", music.loss[i].map((value) => cell(value.toFixed(2))));
    if (music.score) row("selector score", music.score[i].map((value) => cell(value.toFixed(2))));
    row("predicted, masked as chosen", guesses(music.recovered[i]));
  }

  // ---- what the reader does ----

  function recolour(change) {
    Object.assign(state, change);
    scale = state.mode === "recovered" ? [0, 1] : ends();
    drawKey();
    roll.draw();
  }

  function show(k) {
    music = data.windows[k];
    const bars = [];
    for (const [i, [bar, position]] of music.values.entries()) {
      if (!i || bar !== music.values[i - 1][0]) bars.push([music.onset[i] - position / data.resolution, bar + 1]);
    }
    recolour({});
    roll.show({ start: music.onset, length: music.length, pitch: music.values.map((values) => values[pitchField]), bars }, 24);
    // Something to read from the start: the first note that would be masked.
    roll.point(music.chosen.findIndex((fields) => fields.some(Boolean)));
  }

  show(0);
})();
