"use strict";
// The piano roll: #roll, filled from the JSON of #roll-data. Texts become text and never markup.
(() => {
  const data = JSON.parse(document.getElementById("roll-data").textContent), home = document.getElementById("roll");
  const pitchField = data.fields.indexOf("pitch"), drums = 128, top = 18, widest = 240;
  const modes = { score: "selector score", loss: "true loss", recovered: "chosen and recovered" };
  const state = { mode: data.learns ? "score" : "loss", field: -1, scale: 24, note: 0 };
  let music, lanes, laneHeight, boxes;

  function tag(name, properties, parent, ...content) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);
    parent?.append(element);
    return element;
  }

  function svg(name, attributes, parent, text = "") {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    parent.append(element);
    return element;
  }

  // ---- what is shown of note i ----

  const mean = (list) => list.reduce((total, value) => total + value, 0) / list.length;
  const asked = () => (state.field < 0 ? data.fields.map((_, f) => f) : [state.field]);
  const chosen = (i) => asked().filter((f) => music.chosen[i][f]);
  const score = (i) => (music.score[i].length > 1 ? mean(asked().map((f) => music.score[i][f])) : music.score[i][0]);
  const loss = (i) => mean(asked().map((f) => music.loss[i][f])) * asked().length;
  const amount = (i) => (state.mode === "score" ? score(i) : loss(i));
  const missed = (i) => mean(chosen(i).map((f) => Number(music.recovered[i][f] !== music.values[i][f])));
  const notes = () => music.onset.keys();
  const plain = (name) => name.replace("_", " ");

  // Two ends that leave out the extremes of this window: a selector compares the notes of a window with one another.
  function ends() {
    const sorted = [...notes()].map(amount).sort((a, b) => a - b);
    return [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  }

  // Between three colours of the style sheet, so that light and dark pages each have their own.
  function blend(names, share) {
    const t = 2 * Math.min(1, Math.max(0, share)), upper = Number(t > 1);
    return `color-mix(in oklab, var(--${names[upper + 1]}) ${Math.round((t - upper) * 100)}%, var(--${names[upper]}))`;
  }

  function colour(i, [low, high]) {
    if (state.mode !== "recovered") return blend(["low", "mid", "high"], high > low ? (amount(i) - low) / (high - low) : 0.5);
    return chosen(i).length ? blend(["right", "part", "wrong"], missed(i)) : "var(--plain)";
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
  menu("colour", coloured, (mode) => draw({ mode }));
  menu("field", ["all", ...data.fields].map((name, k) => [k - 1, plain(name)]), (field) => draw({ field: Number(field) }));
  for (const [sign, title, factor] of [["−", "zoom out", 1 / 1.5], ["+", "zoom in", 1.5]]) {
    const zoom = () => draw({ scale: Math.min(widest, Math.max(2, state.scale * factor)) });
    tag("button", { type: "button", title, ariaLabel: title, onclick: zoom }, controls, sign);
  }
  const key = tag("div", { className: "key" }, home), stage = tag("div", { className: "stage" }, home);
  const ruler = svg("svg", { width: 42, "aria-hidden": "true" }, stage);
  const scroller = tag("div", { tabIndex: 0, role: "group", ariaLabel: "Piano roll. Left and right go from note to note." }, stage);
  const canvas = svg("svg", { "aria-hidden": "true" }, scroller);
  const detail = tag("div", { className: "detail" }, home);

  // ---- drawing ----

  const across = (quarters) => 4 + quarters * state.scale;
  const down = (pitch) => top + lanes.indexOf(pitch) * laneHeight;
  const box = (i, pitch) => ({ x: across(music.onset[i]), y: down(pitch) + 0.5, rx: 1.5, height: laneHeight - 1,
    width: Math.max(music.length[i] * state.scale - 1, 2) });
  const pitchOf = (i) => music.values[i][pitchField];

  // A lane for each semitone from the lowest to the highest note, then one for each drum in use.
  function layLanes() {
    const used = [...new Set([...notes()].map(pitchOf))].sort((a, b) => b - a), tones = used.filter((pitch) => pitch < drums);
    const [high, low] = [tones[0] + 3, tones.at(-1) - 3];
    lanes = tones.length ? Array.from({ length: high - low + 1 }, (_, k) => high - k) : [];
    lanes.push(...used.filter((pitch) => pitch >= drums));
    laneHeight = Math.min(11, Math.max(5, 300 / lanes.length));
  }

  function draw(change) {
    Object.assign(state, change);
    const height = top + lanes.length * laneHeight + 4;
    const width = Math.max(across(Math.max(...music.onset.map((onset, i) => onset + music.length[i]))) + 6, scroller.clientWidth);
    for (const [image, size] of [[ruler, 42], [canvas, width]]) {
      image.replaceChildren();
      image.setAttribute("width", size);
      image.setAttribute("height", height);
    }
    for (const pitch of lanes) {
      const y = down(pitch), name = pitch >= drums ? `dr. ${pitch - drums}` : pitch % 12 ? "" : `C${pitch / 12 - 1}`;
      svg("text", { x: 38, y: y + laneHeight - 1, "text-anchor": "end" }, ruler, name);
      const black = pitch < drums && [1, 3, 6, 8, 10].includes(pitch % 12);
      if (black) svg("rect", { class: "black", x: 0, y, width, height: laneHeight }, canvas);
    }
    let labelled = -Infinity;
    for (const i of notes()) {
      const [bar, position] = music.values[i], x = across(music.onset[i] - position / data.resolution);
      if (i && bar === music.values[i - 1][0]) continue;
      svg("line", { class: "barline", x1: x, x2: x, y1: 0, y2: height }, canvas);
      if (x - labelled < 34) continue;
      labelled = x;
      svg("text", { x: x + 3, y: 11 }, canvas, bar + 1);
    }
    const scale = state.mode === "recovered" ? [0, 1] : ends();
    boxes = [...notes()].map((i) => {
      const marks = ["note", chosen(i).length && "chosen", music.frozen[i] && "frozen"].filter(Boolean).join(" ");
      return svg("rect", { ...box(i, pitchOf(i)), class: marks, style: `fill: ${colour(i, scale)}`, "data-note": i }, canvas);
    });
    drawKey(scale);
    point(state.note);
  }

  function drawKey([low, high]) {
    key.replaceChildren();
    const item = (mark, before, after) => tag("span", {}, key, before, tag("i", { className: mark }), after);
    const subject = state.field < 0 ? "all fields" : plain(data.fields[state.field]);
    if (state.mode === "recovered") item("ramp outcome", `recovered: ${subject} `, "nothing");
    else item("ramp", low.toFixed(2), `${high.toFixed(2)} (${state.mode === "loss" ? `nats, ${subject}` : "score"})`);
    item("chosen", "", "would be masked");
    if (music.frozen.some(Boolean)) item("frozen", "", "frozen");
    item("ghost", "", "predicted pitch, if wrong");
    if (music.correlation !== null) tag("span", {}, key, `rank correlation of score and loss here: ${music.correlation.toFixed(2)}`);
  }

  // Mark one note and list its fields with both predictions.
  function point(i) {
    for (const old of canvas.querySelectorAll(".cursor, .ghost")) old.remove();
    state.note = i;
    svg("rect", { ...box(i, pitchOf(i)), class: "cursor" }, canvas);
    const guess = music.predicted[i][pitchField];
    if (guess !== pitchOf(i) && lanes.includes(guess)) svg("rect", { ...box(i, guess), class: "ghost" }, canvas);
    detail.replaceChildren();
    const table = tag("table", {}, tag("div", { className: "wide" }, detail));
    const row = (name, cells) => tag("tr", {}, table, tag("th", {}, null, name), ...cells);
    const cell = (text, className = "") => tag("td", { className }, null, text);
    const word = (value, f) => data.words[f][value] ?? "?";
    const guesses = (values) => values.map((value, f) => (value < 0 ? cell("·") : cell(word(value, f), value === music.values[i][f] ? "hit" : "off")));
    row(`note ${i + 1} of ${boxes.length}`, data.fields.map((name) => tag("th", {}, null, plain(name))));
    row("is", music.values[i].map((value, f) => cell(word(value, f))));
    row("predicted, masked at random", guesses(music.predicted[i]));
    row("loss, nats", music.loss[i].map((value) => cell(value.toFixed(2))));
    if (music.score) row("selector score", music.score[i].map((value) => cell(value.toFixed(2))));
    row("predicted, masked as chosen", guesses(music.recovered[i]));
  }

  // ---- what the reader does ----

  function show(k) {
    music = data.windows[k];
    // Something to read from the start: the first note that would be masked.
    state.note = Math.max(0, music.chosen.findIndex((fields) => fields.some(Boolean)));
    layLanes();
    draw();
    scroller.scrollLeft = 0;
  }

  for (const kind of ["pointerover", "pointerdown"]) {
    canvas.addEventListener(kind, ({ target }) => {
      if (target.dataset.note) point(Number(target.dataset.note));
    });
  }
  scroller.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    point(Math.min(boxes.length - 1, Math.max(0, state.note + step)));
    boxes[state.note].scrollIntoView({ inline: "nearest", block: "nearest" });
  });
  show(0);
})();
