"use strict";
// How surprising the notes of a piece are: #surprise, a roll that plays.
(() => {
  const data = JSON.parse(document.getElementById("surprise-data").textContent), home = document.getElementById("surprise");
  const { tag } = Roll, { notes, bits, full } = data, seconds = (column) => column.map((one) => one / 1000);
  const start = seconds(notes.start), length = seconds(notes.length), names = Object.keys(bits);
  let shown = names[0];

  function look(i) {
    const share = Math.min(1, bits[shown][i] / 100 / full[shown]);
    const [from, to, part] = share < 0.5 ? ["low", "mid", 2 * share] : ["mid", "high", 2 * share - 1];
    return { fill: `color-mix(in oklab, var(--${to}) ${Math.round(100 * part)}%, var(--${from}))` };
  }

  const controls = tag("div", { className: "controls" }, home);
  const button = (text, title, onclick, className = "") => tag("button", { type: "button", title, ariaLabel: title, onclick, className }, controls, text);
  const play = button("", "play or stop", null, "play");
  button("|◀", "go to the beginning", () => transport.seek(0));
  const time = tag("span", { className: "time" }, controls);
  const select = tag("select", {}, tag("label", {}, controls, "surprise of "));
  for (const name of names) tag("option", { value: name }, select, name === "all" ? "onset, pitch and duration" : name);
  const key = tag("span", {}, controls);
  button("−", "zoom out", () => roll.zoom(1 / 1.5));
  button("+", "zoom in", () => roll.zoom(1.5));
  const roll = new Roll(home, { label: "Piano roll. Left and right go from note to note, plus and minus zoom.", look, onpoint: describe, onseek: (to) => transport.seek(to) });
  const detail = tag("div", { className: "detail", ariaLive: "polite" }, home);

  function scale() {
    key.replaceChildren("0 ", tag("i", { className: "scale" }), ` ${full[shown].toFixed(1)} bits`);
  }

  select.onchange = () => {
    shown = select.value;
    scale();
    roll.draw();
  };

  function describe(i) {
    const bar = data.bars.findLastIndex((one) => one / 1000 <= start[i] + 1e-6) + 1;
    const parts = [`note ${(i + 1).toLocaleString("en")}`, Roll.pitchName(notes.pitch[i]), `bar ${bar}`, Roll.clock(start[i])];
    if (data.parts[notes.track[i]]) parts.push(data.parts[notes.track[i]]);
    detail.replaceChildren(parts.join(" · "), tag("br", {}), tag("strong", {}, null, `${(bits.all[i] / 100).toFixed(2)} bits`));
    for (const name of names.slice(1)) detail.append(` · ${name} ${(bits[name][i] / 100).toFixed(2)}`);
  }

  const transport = new Transport({ ...notes, start, length }, () => true, { button: play, time, roll });
  transport.listen();

  scale();
  const lanes = data.lanes.map(({ name, spans }) => ({ name, spans: spans.map(([from, to, ...rest]) => [from / 1000, to / 1000, ...rest]) }));
  roll.show({ start, length, pitch: notes.pitch, bars: data.bars.map((one, i) => [one / 1000, i + 1]), lanes, clock: true }, 60);
  roll.point(0);
  transport.follow();
})();
