"use strict";
// The piano roll: #roll, filled from the JSON of #roll-data.
(() => {
  const { tag, svg } = elements;
  const data = JSON.parse(document.getElementById("roll-data").textContent);
  const home = document.getElementById("roll");
  const count = data.fields.length, pitchField = data.fields.indexOf("pitch"), drums = 128;
  const top = 18, narrowest = 1.5;
  const state = { mode: data.learns ? "score" : "loss", field: -1, scale: 0, note: 0 };
  let window_, lanes, laneHeight, boxes;

  // ---- what is shown ----

  const sum = (list) => list.reduce((total, value) => total + value, 0);

  // A window with its matrices cut into rows. A selector scores either rows or each field of a row.
  function open(raw) {
    const scored = raw.score ? raw.score.length / raw.onset.length : 0;
    const notes = raw.onset.map((onset, i) => {
      const of = (list) => list.slice(i * count, (i + 1) * count);
      const loss = of(raw.loss), scores = raw.score ? raw.score.slice(i * scored, (i + 1) * scored) : [];
      return {
        i, onset, length: raw.length[i], values: of(raw.values), predicted: of(raw.predicted), loss,
        total: sum(loss), scores, score: sum(scores) / scored,
        chosen: data.fields.map((_, f) => Boolean(raw.chosen[i] >> f & 1)), frozen: Boolean(raw.frozen[i]),
      };
    });
    let place = 0;
    for (const note of notes) note.recovered = note.chosen.map((chosen) => (chosen ? raw.recovered[place++] : null));
    return { ...raw, notes };
  }

  const windows = data.windows.map(open);

  const isChosen = (note) => (state.field < 0 ? note.chosen.some(Boolean) : note.chosen[state.field]);
  const amount = (note) => {
    if (state.mode === "score") return note.scores[state.field] ?? note.score;
    return state.field < 0 ? note.total : note.loss[state.field];
  };
  const word = (field, value) => data.words[field][value] ?? "?";
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  const said = (name) => name.replace("_", " ");

  // Two ends that leave out the extremes of this window: a selector compares the notes of a window with one another.
  function ends() {
    const sorted = window_.notes.map(amount).sort((a, b) => a - b);
    return [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  }

  // Of the chosen fields in question, the share that was not recovered.
  function missed(note) {
    const asked = data.fields.map((_, f) => f).filter((f) => note.chosen[f] && (state.field < 0 || f === state.field));
    return asked.filter((f) => note.recovered[f] !== note.values[f]).length / asked.length;
  }

  // Between three colours of the style sheet, so that light and dark pages each have their own.
  function blend(names, share) {
    const t = 2 * Math.min(1, Math.max(0, share)), upper = Number(t > 1);
    return `color-mix(in oklab, var(--${names[upper + 1]}) ${Math.round((t - upper) * 100)}%, var(--${names[upper]}))`;
  }

  function colour(note, [low, high]) {
    if (state.mode === "frozen") return note.frozen ? "var(--frozen)" : "var(--plain)";
    if (state.mode === "chosen") return isChosen(note) ? blend(["right", "part", "wrong"], missed(note)) : "var(--plain)";
    return blend(["roll-low", "roll-mid", "roll-high"], high > low ? (amount(note) - low) / (high - low) : 0.5);
  }

  // ---- the frame ----

  const controls = tag("div", { className: "controls" }, home);
  const piece = tag("select", {}, tag("label", {}, controls, "piece"));
  for (const side of new Set(windows.map((one) => one.side))) {
    const group = tag("optgroup", { label: side }, piece);
    windows.forEach((one, k) => {
      if (one.side === side) tag("option", { value: k }, group, `${one.key} (${one.notes.length} notes)`);
    });
  }
  const modes = tag("fieldset", {}, controls, tag("legend", {}, null, "colour"));
  const names = { score: "selector score", loss: "true loss", chosen: "chosen", frozen: "frozen" };
  for (const [mode, name] of Object.entries(names)) {
    const input = tag("input", { type: "radio", name: "roll-mode", value: mode, checked: mode === state.mode });
    input.disabled = mode === "score" && !data.learns;
    tag("label", { title: input.disabled ? "this selector learns no scores" : "" }, modes, input, ` ${name}`);
  }
  const field = tag("select", {}, tag("label", {}, controls, "field"));
  ["all", ...data.fields].forEach((name, k) => tag("option", { value: k - 1 }, field, said(name)));
  const zoom = tag("span", {}, controls);
  for (const [sign, name, factor] of [["−", "zoom out", 1 / 1.5], ["+", "zoom in", 1.5], ["fit", "whole window", 0]]) {
    const button = tag("button", { type: "button", title: name, onclick: () => rescale(factor) }, zoom, sign);
    button.setAttribute("aria-label", name);
    zoom.append(" ");
  }
  const key = tag("div", { className: "key" }, home);
  const stage = tag("div", { className: "stage" }, home);
  const ruler = svg("svg", { width: 42, "aria-hidden": "true" }, stage);
  const scroller = tag("div", { tabIndex: 0 }, stage);
  scroller.setAttribute("role", "group");
  scroller.setAttribute("aria-label", "Piano roll. Left and right go from note to note, up and down between notes " +
    "that sound together, plus and minus zoom, 1 to 4 change the colours.");
  const canvas = svg("svg", { "aria-hidden": "true" }, scroller);
  const detail = tag("div", { className: "detail" }, home);

  // ---- drawing ----

  // A lane for each semitone from the lowest to the highest note, then one for each drum in use.
  function layLanes() {
    const pitches = window_.notes.map((note) => note.values[pitchField]);
    const own = pitches.filter((pitch) => pitch < drums);
    // Guesses widen the roll, but not without end.
    const near = window_.notes.flatMap((note) => [note.recovered[pitchField], note.predicted[pitchField]])
      .filter((pitch) => pitch !== null && pitch < drums && pitch >= Math.min(...own) - 7 && pitch <= Math.max(...own) + 7);
    const low = Math.min(...own, ...near) - 1, high = Math.max(...own, ...near) + 1;
    lanes = new Map();
    for (let pitch = high; own.length && pitch >= low; pitch--) lanes.set(pitch, lanes.size);
    for (const drum of [...new Set(pitches.filter((pitch) => pitch >= drums))].sort((a, b) => b - a)) lanes.set(drum, lanes.size);
    laneHeight = Math.min(11, Math.max(5, 300 / lanes.size));
  }

  const across = (quarters) => 4 + quarters * state.scale;
  const down = (pitch) => top + lanes.get(pitch) * laneHeight;
  const wide = (note) => Math.max(note.length * state.scale - 1, 2);
  const quarters = () => Math.max(...window_.notes.map((note) => note.onset + note.length));
  const fitting = () => (scroller.clientWidth - 12) / quarters();

  function draw() {
    const height = top + lanes.size * laneHeight + 4, width = Math.max(across(quarters()) + 6, scroller.clientWidth);
    for (const [image, size] of [[ruler, 42], [canvas, width]]) {
      image.replaceChildren();
      image.setAttribute("width", size);
      image.setAttribute("height", height);
    }
    for (const pitch of lanes.keys()) {
      const y = down(pitch);
      if (pitch >= drums) {
        svg("text", { x: 38, y: y + laneHeight - 1, "text-anchor": "end" }, ruler, `dr. ${pitch - drums}`);
        continue;
      }
      if ([1, 3, 6, 8, 10].includes(pitch % 12)) svg("rect", { class: "black", x: 0, y, width, height: laneHeight }, canvas);
      if (pitch % 12 === 0) {
        svg("line", { class: "octave", x1: 0, x2: width, y1: y + laneHeight, y2: y + laneHeight }, canvas);
        svg("text", { x: 36, y: y + laneHeight - 1, "text-anchor": "end" }, ruler, `C${pitch / 12 - 1}`);
      }
    }
    drawBars(height);
    const scale = state.mode === "score" || state.mode === "loss" ? ends() : [0, 1];
    boxes = window_.notes.map((note) => {
      const outlined = state.mode === "score" || state.mode === "loss";
      const marks = `note${outlined && isChosen(note) ? " chosen" : ""}${outlined && note.frozen ? " frozen" : ""}`;
      return svg("rect", { class: marks, x: across(note.onset), y: down(note.values[pitchField]) + 0.5, rx: 1.5,
        width: wide(note), height: laneHeight - 1, style: `fill: ${colour(note, scale)}`, "data-note": note.i }, canvas);
    });
    if (state.mode === "chosen" && (state.field < 0 || state.field === pitchField)) {
      for (const note of window_.notes) ghost(note, note.recovered[pitchField], canvas);
    }
    drawKey(scale);
    point(state.note, false);
  }

  function drawBars(height) {
    let last = -1, labelled = -Infinity;
    for (const note of window_.notes) {
      const [bar, position] = note.values;
      if (bar === last) continue;
      last = bar;
      const x = across(note.onset - position / data.resolution);
      svg("line", { class: "barline", x1: x, x2: x, y1: 0, y2: height }, canvas);
      if (x - labelled < 34) continue;
      labelled = x;
      svg("text", { x: x + 3, y: 11 }, canvas, bar + 1);
    }
  }

  // The pitch that the backbone put there instead.
  function ghost(note, pitch, parent) {
    if (pitch === null || pitch === note.values[pitchField] || !lanes.has(pitch)) return null;
    return svg("rect", { class: "ghost", x: across(note.onset), y: down(pitch) + 1, width: wide(note), height: laneHeight - 2, rx: 1.5 }, parent);
  }

  function drawKey([low, high]) {
    key.replaceChildren();
    const item = (mark, text, style) => tag("span", {}, key, tag("i", { className: mark, style: style || "" }), text);
    const subject = state.field < 0 ? "all fields" : said(data.fields[state.field]);
    if (state.mode === "score" || state.mode === "loss") {
      const byField = window_.notes[0].scores.length === count;
      const unit = state.mode === "loss" ? `nats, ${subject}` : byField ? `score, ${subject}` : "score";
      const end = (value) => (state.mode === "loss" ? value.toFixed(2) : signed(value));
      tag("span", {}, key, end(low), tag("i", { className: "ramp" }), `${end(high)} (${unit})`);
      item("chosen", "would be masked");
      if (window_.notes.some((note) => note.frozen)) item("frozen", "frozen");
      if (window_.correlation !== null) tag("span", {}, key, `rank correlation of score and loss in this window: ${signed(window_.correlation)}`);
    } else if (state.mode === "chosen") {
      const share = state.field < 0 ? "all its fields" : subject;
      tag("span", {}, key, `chosen and recovered: ${share} `, tag("i", { className: "outcome" }), "nothing");
      item("", "not chosen", "background: var(--plain)");
      item("ghost", "pitch put there instead");
    } else {
      const frozen = window_.notes.filter((note) => note.frozen).length;
      item("", `frozen: ${frozen} of ${window_.notes.length} notes`, "background: var(--frozen)");
      if (!frozen) tag("span", {}, key, window_.side === "held out" ? "Held-out notes are never frozen; see a training piece." : "Nothing is frozen here.");
    }
  }

  // ---- one note ----

  function rank(note, value) {
    return 1 + window_.notes.filter((other) => value(other) > value(note)).length;
  }

  function point(i, scroll) {
    for (const old of canvas.querySelectorAll(".cursor, .ghost.of-cursor")) old.remove();
    state.note = i;
    detail.replaceChildren();
    const note = window_.notes[i], box = boxes[i];
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)));
    svg("rect", { class: "cursor", x: x - 2, y: y - 2, width: width + 4, height: height + 4, rx: 3 }, canvas);
    const guess = ghost(note, note.predicted[pitchField], canvas);
    if (guess) guess.classList.add("of-cursor");
    if (scroll) {
      const left = scroller.scrollLeft, room = scroller.clientWidth;
      if (x < left + 20 || x + width > left + room - 20) scroller.scrollLeft = x - room / 3;
    }
    describe(note);
  }

  function describe(note) {
    const of = ` of ${window_.notes.length}`;
    const facts = [`Note ${note.i + 1}${of}: ${word(pitchField, note.values[pitchField])}`];
    if (data.learns) facts.push(`score ${signed(note.score)} (rank ${rank(note, (other) => other.score)}${of})`);
    facts.push(`loss ${note.total.toFixed(2)} nats (rank ${rank(note, (other) => other.total)}${of})`);
    facts.push(note.chosen.some(Boolean) ? "chosen" : "not chosen");
    if (note.frozen) facts.push("frozen");
    tag("p", { role: "status" }, detail, facts.join(" · "));
    const table = tag("table", {}, tag("div", { className: "wide" }, detail));
    const row = (name, cells) => {
      const line = tag("tr", {}, table);
      tag("th", { scope: "row" }, line, name);
      for (const [text, kind] of cells) tag(name ? "td" : "th", { className: kind || "" }, line, text);
    };
    const guess = (values) => values.map((value, f) => (value === null ? ["·"] : [word(f, value), value === note.values[f] ? "hit" : "off"]));
    row("", data.fields.map((name) => [said(name)]));
    row("is", note.values.map((value, f) => [word(f, value)]));
    row("predicted, masked at random", guess(note.predicted));
    row("loss, nats", note.loss.map((value) => [value.toFixed(2)]));
    if (note.scores.length === count) row("selector score", note.scores.map((value) => [signed(value)]));
    row("predicted, masked as chosen", guess(note.recovered));
  }

  // ---- what the reader does ----

  function show(k) {
    window_ = windows[k];
    // Something to read from the start: the first note that would be masked.
    state.note = Math.max(0, window_.notes.findIndex((note) => note.chosen.some(Boolean)));
    layLanes();
    state.scale = Math.max(fitting(), 24);
    scroller.scrollLeft = 0;
    draw();
  }

  function rescale(factor, at = scroller.clientWidth / 2) {
    const quarter = (scroller.scrollLeft + at - 4) / state.scale;
    const least = Math.min(fitting(), narrowest * 10);
    state.scale = factor ? Math.min(240, Math.max(least, state.scale * factor)) : fitting();
    draw();
    scroller.scrollLeft = across(quarter) - at;
  }

  // The nearest higher or lower note among those that sound together with this one.
  function soundingWith(note, direction) {
    const height = (other) => lanes.get(other.values[pitchField]);
    const steps = (other) => direction * (height(other) - height(note));
    const together = window_.notes.filter((other) => steps(other) > 0 &&
      other.onset < note.onset + note.length && note.onset < other.onset + other.length);
    return together.sort((a, b) => steps(a) - steps(b))[0] ?? note;
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = state.note, last = window_.notes.length - 1;
    const moves = {
      ArrowRight: () => Math.min(last, here + 1),
      ArrowLeft: () => Math.max(0, here - 1),
      ArrowUp: () => soundingWith(window_.notes[here], -1).i,
      ArrowDown: () => soundingWith(window_.notes[here], 1).i,
      Home: () => 0,
      End: () => last,
    };
    const zooms = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
    const input = modes.querySelectorAll("input")[Number(event.key) - 1];
    if (moves[event.key]) point(moves[event.key](), true);
    else if (event.key in zooms) rescale(zooms[event.key]);
    else if (input && !input.disabled) input.click();
    else return;
    event.preventDefault();
  }

  const touched = (event) => event.target.closest?.("[data-note]");
  for (const kind of ["pointerover", "pointerdown"]) {
    canvas.addEventListener(kind, (event) => {
      const box = touched(event);
      if (box) point(Number(box.dataset.note), false);
    });
  }
  scroller.addEventListener("keydown", onKey);
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    rescale(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - scroller.getBoundingClientRect().left);
  }, { passive: false });
  piece.addEventListener("change", () => show(Number(piece.value)));
  field.addEventListener("change", () => {
    state.field = Number(field.value);
    draw();
  });
  modes.addEventListener("change", (event) => {
    state.mode = event.target.value;
    draw();
  });
  new ResizeObserver(() => {
    if (scroller.clientWidth && state.scale < fitting()) rescale(0);
  }).observe(scroller);
  show(0);
})();
