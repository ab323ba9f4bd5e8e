"use strict";
// A blind test: #listening, pairs of a given and a written passage, and a table of the votes.
(() => {
  const data = JSON.parse(document.getElementById("listening-data").textContent), home = document.getElementById("listening");
  const tag = (name, properties, parent, ...content) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);
    parent?.append(element);
    return element;
  };
  const SIDES = ["A", "B"], players = [];
  const seconds = (column) => column.map((one) => one / 1000);
  const votes = data.pairs.map(() => ({ vote: "", plays: [0, 0] }));

  function playable(row, notes, place, side) {
    const name = SIDES[side], button = tag("button", { type: "button", className: "play", title: `play ${name} of pair ${place + 1}` }, row);
    const player = new Player({ ...notes, start: seconds(notes.start), length: seconds(notes.length) }, () => true, show);
    function show() {
      button.textContent = player.playing ? `■ ${name}` : `▶ ${name}`;
    }
    button.onclick = () => {
      const playing = player.playing;
      for (const stop of players) stop();
      if (!playing) {
        player.play();
        votes[place].plays[side]++;
      }
      show();
    };
    players.push(() => {
      player.seek(0);
      player.stop();
      player.at = 0;
      show();
    });
    show();
  }

  const rows = data.pairs.map((pair, place) => {
    const row = tag("div", { className: "pair", role: "group", ariaLabel: `Pair ${place + 1}` }, home);
    tag("span", { className: "number" }, row, `pair ${place + 1}`);
    pair.sides.forEach((notes, side) => playable(row, notes, place, side));
    for (const [value, text] of [["A", "A is written"], ["B", "B is written"], ["?", "cannot tell"]]) {
      const label = tag("label", {}, row);
      tag("input", { type: "radio", name: `pair-${place}`, value, onchange: () => choose(place, value) }, label);
      label.append(text);
    }
    return row;
  });
  const foot = tag("p", {}, home), who = tag("input", { type: "text", ariaLabel: "your name or a number", placeholder: "listener" }, foot);
  const save = tag("button", { type: "button", disabled: true, onclick: download }, foot, "Save votes"), told = tag("p", { ariaLive: "polite" }, home);

  function choose(place, value) {
    votes[place].vote = value;
    const left = votes.filter((one) => !one.vote).length;
    save.disabled = left > 0;
    told.textContent = left ? `${left} to go` : "";
  }

  // A cell that begins as a formula does is not one.
  const cell = (text) => `"${String(text).replace(/^[=+\-@]/, "'$&").replaceAll('"', '""')}"`;

  function table() {
    const lines = [["listener", "pair", "file", "bars", "written", "vote", "right", "plays A", "plays B"]];
    data.pairs.forEach(({ file, bars, written }, place) => {
      const { vote, plays } = votes[place];
      lines.push([who.value, place + 1, file, bars, SIDES[written], vote, Number(vote === SIDES[written]), ...plays]);
    });
    return lines.map((line) => line.map(cell).join(",")).join("\n") + "\n";
  }

  // What was right is shown once the votes are cast, and then they stay as they are.
  function download() {
    const link = tag("a", { href: URL.createObjectURL(new Blob([table()], { type: "text/csv" })), download: "votes.csv" });
    link.click();
    for (const input of home.querySelectorAll("input[type=radio]")) input.disabled = true;
    let right = 0;
    rows.forEach((row, place) => {
      const { file, bars, written } = data.pairs[place], hit = votes[place].vote === SIDES[written];
      right += hit;
      row.querySelector(".answer")?.remove();
      tag("span", { className: `answer ${hit ? "right" : "wrong"}` }, row, `${SIDES[written]} is written: ${file}, bars ${bars}`);
    });
    told.textContent = `${right} of ${rows.length} right; by chance ${rows.length / 2} are`;
  }
  globalThis.votesTable = table;
})();
