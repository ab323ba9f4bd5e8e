"use strict";
// The variants of a passage beside the given one: #variants, rolls that play one at a time.
(() => {
  const data = JSON.parse(document.getElementById("variants-data").textContent), home = document.getElementById("variants");
  const { tag } = Roll, seconds = (column) => column.map((one) => one / 1000);
  const bars = data.bars.map((one, i) => [one / 1000, data.first + i]);

  function take({ name, about, notes }, place) {
    const box = tag("section", { className: "take" }, home), head = tag("div", { className: "head" }, box);
    tag("strong", {}, head, name);
    const button = tag("button", { type: "button", className: "play", title: `play ${name}` }, head);
    const time = tag("span", { className: "time" }, head);
    tag("span", { className: "about" }, head, about);
    const timed = { ...notes, start: seconds(notes.start), length: seconds(notes.length) };
    const colour = place ? "var(--new)" : "var(--given)";
    const look = (i) => (notes.inside[i] ? { fill: colour } : { fill: "var(--neutral)", alpha: 0.6 });
    const roll = new Roll(box, { label: `Piano roll of ${name}`, look, onseek: (to) => transport.seek(to) });
    const transport = new Transport(timed, () => true, { button, time, roll });
    // The grid has its columns only when all rolls are in it.
    return () => {
      const whole = (roll.scroller.clientWidth - 8) / Math.max(transport.player.end, 1);
      roll.show({ start: timed.start, length: timed.length, pitch: notes.pitch, bars, clock: true }, Math.min(120, Math.max(20, whole)));
      transport.follow();
    };
  }

  for (const show of data.takes.map(take)) show();
})();
