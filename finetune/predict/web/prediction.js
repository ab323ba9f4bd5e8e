"use strict";
// What a model makes of the notes of a file: #prediction, a roll that plays.
(() => {
  const data = JSON.parse(document.getElementById("prediction-data").textContent), home = document.getElementById("prediction");
  const { tag } = Roll, { notes } = data, seconds = (column) => column.map((one) => one / 1000);
  const start = seconds(notes.start), length = seconds(notes.length);
  const muted = new Set();
  let coloured = "class";

  // ---- what is shown of note i ----

  const DRUMS = -1;
  const groupOf = (kind) => (kind === DRUMS ? DRUMS : data.group_of[kind]);
  const groupName = (group) => (group === DRUMS ? "drums" : data.groups[group]);

  function colour(group) {
    const count = data.groups.length, neutral = data.colours === "one is neutral" && count > 1 && group === count - 1;
    if (group === DRUMS) return "var(--drums)";
    if (neutral) return "var(--neutral)";
    if (data.colours === "ramp") return ramp(group / Math.max(count - 1, 1));
    return count <= 7 ? `var(--c${group % 6})` : `oklch(var(--depth) .17 ${Math.round((360 * group) / count + 40)})`;
  }

  function ramp(share) {
    const [from, to, part] = share < 0.5 ? ["low", "mid", 2 * share] : ["mid", "high", 2 * share - 1];
    return `color-mix(in oklab, var(--${to}) ${Math.round(100 * part)}%, var(--${from}))`;
  }

  // A probability no better than chance is faint.
  function alpha(i) {
    if (!notes.confidence || notes.class[i] === DRUMS) return 1;
    const chance = 1 / data.classes.length;
    return 0.25 + 0.75 * Math.max(0, (notes.confidence[i] / 1000 - chance) / (1 - chance));
  }

  function look(i) {
    const group = groupOf(notes.class[i]);
    if (muted.has(group)) return { fill: "var(--neutral)", alpha: 0.15 };
    if (coloured === "rule") return { fill: colour(groupOf(notes.rule[i])) };
    const same = coloured === "difference" && notes.class[i] === notes.rule[i];
    return { fill: same ? "var(--line)" : colour(group), alpha: same ? 1 : alpha(i) };
  }

  // ---- the frame ----

  const controls = tag("div", { className: "controls" }, home);
  const button = (text, title, onclick, className = "") =>
    tag("button", { type: "button", title, ariaLabel: title, onclick, className }, controls, text);
  const play = button("", "play or stop", null, "play");
  button("|◀", "go to the beginning", () => transport.seek(0));
  const time = tag("span", { className: "time" }, controls);
  if (data.rule) {
    const select = tag("select", {}, tag("label", {}, controls, "colours "));
    for (const [value, text] of [["class", "prediction"], ["rule", data.rule], ["difference", "where they differ"]]) tag("option", { value }, select, text);
    select.onchange = () => {
      coloured = select.value;
      roll.draw();
    };
  }
  button("−", "zoom out", () => roll.zoom(1 / 1.5));
  button("+", "zoom in", () => roll.zoom(1.5));
  const legend = tag("div", { className: "legend", role: "group", ariaLabel: "What is played" }, home);
  const roll = new Roll(home, { label: "Piano roll. Left and right go from note to note, plus and minus zoom.", look, onpoint: describe, onseek: (to) => transport.seek(to) });
  const detail = tag("div", { className: "detail", ariaLive: "polite" }, home);

  function drawLegend() {
    const counts = new Map();
    for (const kind of notes.class) counts.set(groupOf(kind), (counts.get(groupOf(kind)) ?? 0) + 1);
    const present = [...counts.keys()].sort((a, b) => (a === DRUMS) - (b === DRUMS) || a - b);
    for (const group of present) {
      const item = tag("span", {}, legend), name = groupName(group), label = tag("label", { className: "item" }, item);
      const box = tag("input", { type: "checkbox", checked: true, onchange: () => hear(group, box.checked) }, label);
      box.dataset.group = group;
      tag("i", {}, label).style.background = colour(group);
      tag("span", {}, label, `${name} ${counts.get(group).toLocaleString("en")}`);
      if (present.length > 1) tag("button", { type: "button", title: `play ${name} alone, or all again`, onclick: () => alone(group, present) }, item, "only");
    }
  }

  function describe(i) {
    const at = start[i], bar = data.bars.findLastIndex((one) => one / 1000 <= at + 1e-6) + 1, kind = notes.class[i];
    const parts = [`note ${(i + 1).toLocaleString("en")}`, Roll.pitchName(notes.pitch[i]), `bar ${bar}`, `${Roll.clock(at)}.${Math.floor((at % 1) * 10)}`];
    if (data.parts[notes.track[i]]) parts.push(data.parts[notes.track[i]]);
    detail.replaceChildren(parts.join(" · "));
    if (kind === DRUMS || !notes.confidence) return;
    tag("br", {}, detail);
    tag("strong", {}, detail, data.classes[kind]);
    detail.append(`, probability ${(notes.confidence[i] / 1000).toFixed(2)} · ${data.rule}: ${data.classes[notes.rule[i]]}`);
  }

  // ---- sound ----

  const transport = new Transport(
    { start, length, pitch: notes.pitch, velocity: notes.velocity, program: notes.program, track: notes.track },
    (i) => !muted.has(groupOf(notes.class[i])),
    { button: play, time, roll },
  );
  transport.listen();

  function hear(group, heard) {
    if (heard) muted.delete(group);
    else muted.add(group);
    for (const box of legend.querySelectorAll("input")) {
      box.checked = !muted.has(Number(box.dataset.group));
      box.closest("label").classList.toggle("off", !box.checked);
    }
    roll.draw();
    transport.player.seek();
  }

  function alone(group, present) {
    const others = present.filter((one) => one !== group), already = !muted.has(group) && others.every((one) => muted.has(one));
    for (const one of others) (already ? muted.delete(one) : muted.add(one));
    hear(group, true);
  }

  drawLegend();
  const spans = data.lanes.map(({ name, spans }) => ({ name, spans: spans.map(([from, to, ...rest]) => [from / 1000, to / 1000, ...rest]) }));
  const bars = data.bars.map((one, i) => [one / 1000, i + 1]);
  roll.show({ start, length, pitch: notes.pitch, bars, lanes: spans, clock: true }, 60);
  roll.point(0);
  transport.follow();
})();
