"use strict";
// A piano roll on a canvas. It draws only what is in view, so that an hour of music scrolls smoothly.
//
//   const roll = new Roll(home, { label, look, onpoint, onseek });
//   roll.show({ start, length, pitch, bars, lanes, clock }, scale);
//
// `look(i)` returns { fill, alpha, stroke, dashed } of note i, in colours of CSS. `onpoint(i)`
// is called for the note that is pointed at, `onseek(x)` where the reader clicks. `start` rises; it and `length` are in
// seconds or quarters, and `scale` is in pixels for each. Pitches from 128 on are drums. `bars` holds [start, text].
// A lane holds { name, spans: [[start, end, text, share]] }. `clock` marks seconds.
globalThis.Roll = class Roll {
  static DRUMS = 128;
  static #LEFT = 42;
  static #TOP = 18;
  static #LANE = 19;
  static #WIDEST = 8e6; // browsers have no wider elements

  static tag(name, properties, parent, ...content) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);
    parent?.append(element);
    return element;
  }

  static pitchName(pitch) {
    const names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
    return pitch < Roll.DRUMS ? names[pitch % 12] + (Math.floor(pitch / 12) - 1) : `drum ${pitch - Roll.DRUMS}`;
  }

  constructor(home, { label, look, onpoint = () => {}, onseek = () => {} }) {
    Object.assign(this, { look, onpoint, onseek, scale: 24, note: 0, ghost: null, colours: new Map(), waiting: 0 });
    home.classList.add("roll");
    const tag = Roll.tag, stage = tag("div", { className: "stage" }, home);
    this.ruler = tag("canvas", { className: "ruler", ariaHidden: "true" }, stage);
    this.scroller = tag("div", { className: "scroller", tabIndex: 0, role: "group", ariaLabel: label }, stage);
    this.room = tag("div", { className: "room" }, this.scroller);
    this.view = tag("canvas", { className: "view", ariaHidden: "true" }, this.room);
    this.playhead = tag("div", { className: "playhead", hidden: true }, this.room);
    this.probe = tag("i", { className: "probe" }, stage);
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
    this.view.addEventListener("pointermove", (event) => this.#hover(event));
    this.view.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours.clear();
      this.draw();
    });
  }

  // ---- what is shown ----

  show(music, scale) {
    Object.assign(this, { music: { lanes: [], bars: [], ...music }, scale, note: 0, ghost: null });
    const { start, length, pitch, lanes } = this.music;
    // The latest end of all notes up to each, by which the first note in view is found.
    let last = 0;
    this.ends = start.map((from, i) => (last = Math.max(last, from + length[i])));
    const used = [...new Set(pitch)].sort((a, b) => b - a), tones = used.filter((one) => one < Roll.DRUMS);
    const [high, low] = [tones[0] + 2, tones.at(-1) - 2];
    this.rows = tones.length ? Array.from({ length: high - low + 1 }, (_, k) => high - k) : [];
    this.rows.push(...used.filter((one) => one >= Roll.DRUMS));
    this.rowOf = new Map(this.rows.map((one, row) => [one, row]));
    this.rowHeight = Math.min(12, Math.max(5, 400 / this.rows.length));
    this.top = Roll.#TOP + lanes.length * Roll.#LANE;
    this.bottom = this.top + this.rows.length * this.rowHeight;
    this.scroller.scrollLeft = 0;
    this.draw();
  }

  get end() {
    return this.ends.at(-1) ?? 0;
  }

  zoom(factor) {
    const middle = (this.scroller.scrollLeft + this.scroller.clientWidth / 2) / this.scale;
    const least = Math.min(this.scroller.clientWidth / (this.end + 0.01), 24), most = Math.min(400, Roll.#WIDEST / this.end);
    this.scale = Math.min(most, Math.max(least, this.scale * factor));
    this.#resize();
    this.scroller.scrollLeft = middle * this.scale - this.scroller.clientWidth / 2;
    this.draw();
  }

  point(i, reveal = false) {
    this.note = Math.min(this.ends.length - 1, Math.max(0, i));
    this.onpoint(this.note);
    if (reveal) this.reveal(this.music.start[this.note]);
    this.draw();
  }

  reveal(x) {
    const { scrollLeft, clientWidth } = this.scroller, at = this.#across(x);
    if (at < scrollLeft || at > scrollLeft + 0.9 * clientWidth) this.scroller.scrollLeft = at - 0.1 * clientWidth;
  }

  // The line at the time that is played; null hides it.
  playAt(x) {
    this.playhead.hidden = x === null;
    if (x !== null) this.playhead.style.transform = `translateX(${this.#across(x)}px)`;
  }

  draw() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.music) this.#paint();
    });
  }

  // ---- geometry ----

  #across(x) {
    return 4 + x * this.scale;
  }

  #down(pitch) {
    return this.top + this.rowOf.get(pitch) * this.rowHeight;
  }

  #resize() {
    const width = Math.max(this.#across(this.end) + 8, this.scroller.clientWidth), height = this.bottom + (this.music.clock ? 18 : 4);
    this.room.style.width = `${width}px`;
    for (const [canvas, across] of [[this.ruler, Roll.#LEFT], [this.view, this.scroller.clientWidth]]) {
      const size = [across, height].map((one) => Math.round(one * devicePixelRatio));
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      canvas.style.width = `${across}px`;
      canvas.style.height = `${height}px`;
    }
  }

  // The first index at which a rising list is above a value.
  static #above(list, value) {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #inView() {
    const left = (this.scroller.scrollLeft - 8) / this.scale, right = left + (this.scroller.clientWidth + 16) / this.scale;
    return [Roll.#above(this.ends, left), Roll.#above(this.music.start, right), left, right];
  }

  // ---- drawing ----

  // A canvas knows no variables of CSS, so an element resolves them.
  #colour(css) {
    if (!this.colours.has(css)) {
      this.probe.style.color = css;
      this.colours.set(css, getComputedStyle(this.probe).color);
    }
    return this.colours.get(css);
  }

  #pen(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.font = "10px system-ui, sans-serif";
    return pen;
  }

  #paint() {
    this.#resize();
    this.#paintRuler();
    const pen = this.#pen(this.view), [first, past, left, right] = this.#inView();
    pen.translate(-this.scroller.scrollLeft, 0);
    this.#paintGrid(pen, left, right);
    for (const [k, lane] of this.music.lanes.entries()) this.#paintLane(pen, lane, Roll.#TOP + k * Roll.#LANE, left, right);
    const { start, length, pitch } = this.music, painted = new Map();
    for (let i = first; i < past; i++) {
      // Of notes as narrow as two pixels, one is enough for each place of a row.
      const narrow = length[i] * this.scale <= 2, right = this.#across(start[i]) + 2;
      if (this.ends[i] <= left || (narrow && right - painted.get(pitch[i]) < 1)) continue;
      if (narrow) painted.set(pitch[i], right);
      this.#paintNote(pen, i, pitch[i], this.look(i));
    }
    pen.globalAlpha = 1;
    if (this.note >= first && this.note < past) {
      this.#paintNote(pen, this.note, this.music.pitch[this.note], { stroke: "var(--accent)", wide: 2.5 });
      if (this.rowOf.has(this.ghost)) this.#paintNote(pen, this.note, this.ghost, { stroke: "var(--wrong)", wide: 1.3, dashed: true });
    }
  }

  #paintRuler() {
    const pen = this.#pen(this.ruler);
    pen.fillStyle = this.#colour("var(--faint)");
    pen.textAlign = "right";
    for (const [k, lane] of this.music.lanes.entries()) pen.fillText(lane.name, 38, Roll.#TOP + k * Roll.#LANE + 13, 36);
    let written = -Infinity;
    for (const pitch of this.rows) {
      const base = this.#down(pitch) + this.rowHeight - 1;
      if ((pitch < Roll.DRUMS && pitch % 12) || base - written < 9) continue;
      pen.fillText(pitch < Roll.DRUMS ? Roll.pitchName(pitch) : `dr. ${pitch - Roll.DRUMS}`, 38, base);
      written = base;
    }
  }

  #paintGrid(pen, left, right) {
    const [from, width] = [this.#across(left), (right - left) * this.scale];
    pen.fillStyle = this.#colour("var(--panel)");
    for (const pitch of this.rows) {
      const black = pitch < Roll.DRUMS && [1, 3, 6, 8, 10].includes(pitch % 12);
      if (black) pen.fillRect(from, this.#down(pitch), width, this.rowHeight);
    }
    const faint = this.#colour("var(--faint)"), line = this.#colour("var(--line)");
    let [drawn, labelled] = [-Infinity, -Infinity];
    for (const [x, text] of this.music.bars) {
      const at = this.#across(x);
      // Bars that would stand too close are left out, the same ones wherever the roll is scrolled to.
      if (at - drawn < 8) continue;
      drawn = at;
      const labels = at - labelled >= 34;
      if (labels) labelled = at;
      if (x < left || x > right) continue;
      pen.fillStyle = line;
      pen.fillRect(Math.round(at), 0, 1, this.bottom);
      pen.fillStyle = faint;
      if (labels) pen.fillText(text, at + 3, 11);
    }
    if (this.music.clock) this.#paintClock(pen, left, right, faint, line);
  }

  #paintClock(pen, left, right, faint, line) {
    const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((one) => one * this.scale >= 64) ?? 1200;
    for (let second = Math.max(0, Math.floor(left / step) * step); second <= Math.min(right, this.end); second += step) {
      pen.fillStyle = line;
      pen.fillRect(Math.round(this.#across(second)), this.bottom, 1, 5);
      pen.fillStyle = faint;
      pen.fillText(Roll.clock(second), this.#across(second) + 3, this.bottom + 13);
    }
  }

  static clock(seconds) {
    return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  }

  #paintLane(pen, lane, top, left, right) {
    for (const [start, end, text, share] of lane.spans) {
      if (end < left || start > right) continue;
      const x = this.#across(start), width = Math.max((end - start) * this.scale - 1, 1);
      pen.globalAlpha = 0.12 + 0.3 * share;
      pen.fillStyle = this.#colour("var(--accent)");
      pen.fillRect(x, top + 1, width, Roll.#LANE - 3);
      if (width < 8) continue;
      pen.globalAlpha = 1;
      pen.fillStyle = this.#colour("var(--ink)");
      // The name stays in view as long as its span does.
      const at = Math.max(x, this.scroller.scrollLeft) + 3;
      if (pen.measureText(text).width + at < x + width) pen.fillText(text, at, top + 12);
    }
  }

  #paintNote(pen, i, pitch, { fill, alpha = 1, stroke, wide = 1.5, dashed }) {
    const x = this.#across(this.music.start[i]), width = Math.max(this.music.length[i] * this.scale - 1, 2);
    const box = [x, this.#down(pitch) + 0.5, width, this.rowHeight - 1];
    pen.globalAlpha = alpha;
    if (fill) {
      pen.fillStyle = this.#colour(fill);
      pen.fillRect(...box);
    }
    if (!stroke) return;
    pen.globalAlpha = 1;
    pen.lineWidth = wide;
    pen.strokeStyle = this.#colour(stroke);
    pen.setLineDash(dashed ? [3, 2] : []);
    pen.strokeRect(...box);
  }

  // ---- what the reader does ----

  #noteAt({ offsetX, offsetY }) {
    const x = (offsetX + this.scroller.scrollLeft - 4) / this.scale, pitch = this.rows[Math.floor((offsetY - this.top) / this.rowHeight)];
    const slack = 2 / this.scale, [first, past] = this.#inView();
    const { start, length } = this.music;
    for (let i = past - 1; i >= first; i--) {
      if (this.music.pitch[i] === pitch && start[i] <= x && x <= start[i] + length[i] + slack) return i;
    }
    return -1;
  }

  #hover(event) {
    const i = this.#noteAt(event);
    this.view.style.cursor = i < 0 ? "" : "pointer";
    if (i >= 0 && i !== this.note) this.point(i);
  }

  #click(event) {
    const i = this.#noteAt(event);
    if (i >= 0) this.point(i);
    this.onseek(Math.max(0, (event.offsetX + this.scroller.scrollLeft - 4) / this.scale));
  }

  #key(event) {
    const to = { ArrowRight: this.note + 1, ArrowLeft: this.note - 1, Home: 0, End: Infinity }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (to !== undefined) this.point(to, true);
    else if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? 1.5 : 1 / 1.5);
    else return;
    event.preventDefault();
  }
};
