"use strict";
// The variants of a passage beside the given one: #variants, rolls that play one at a time.
(() => {
  const data = JSON.parse(document.getElementById("variants-data").textContent), home = document.getElementById("variants");
  const { tag } = Roll, seconds = (column) => column.map((one) => one / 1000);
  const bars = data.bars.map((one, i) => [one / 1000, data.first + i]), takes = [];

  function take({ name, about, notes }, place) {
    const box = tag("section", { className: "take" }, home), head = tag("div", { className: "head" }, box);
    tag("strong", {}, head, name);
    const button = tag("button", { type: "button", className: "play", title: `play ${name}` }, head);
    const time = tag("span", { className: "time" }, head);
    tag("span", { className: "about" }, head, about);
    const timed = { ...notes, start: seconds(notes.start), length: seconds(notes.length) };
    const player = new Player(timed, () => true, follow);
    const colour = place ? "var(--new)" : "var(--given)";
    const look = (i) => (notes.inside[i] ? { fill: colour } : { fill: "var(--neutral)", alpha: 0.6 });
    const roll = new Roll(box, { label: `Piano roll of ${name}`, look, onseek: seek });

    function follow() {
      button.textContent = player.playing ? "■ Stop" : "▶ Play";
      time.textContent = `${Roll.clock(player.now)} / ${Roll.clock(player.end)}`;
      roll.playAt(player.now);
      if (!player.playing) return;
      roll.reveal(player.now);
      requestAnimationFrame(follow);
    }

    function seek(to) {
      player.seek(to);
      if (!player.playing) follow();
    }

    button.onclick = () => {
      const playing = player.playing;
      for (const other of takes) other.stop();
      if (!playing) player.play();
      follow();
    };
    return {
      // The grid has its columns only when all rolls are in it.
      show() {
        const whole = (roll.scroller.clientWidth - 8) / Math.max(player.end, 1);
        roll.show({ start: timed.start, length: timed.length, pitch: notes.pitch, bars, clock: true }, Math.min(120, Math.max(20, whole)));
        follow();
      },
      stop() {
        player.stop();
        follow();
      },
    };
  }

  data.takes.forEach((one, place) => takes.push(take(one, place)));
  for (const one of takes) one.show();
})();
