"use strict";
// Plays notes by the synthesiser of tinysynth.min.js.
//
//   const player = new Player({ start, length, pitch, velocity, program, track }, audible, onend);
//
// `start` rises; times are in seconds. Pitches from 128 on are drums. `audible(i)` is asked of each note that is due. The
// synthesiser is made at the first `play`, for browsers allow sound only after a click.
globalThis.Player = class Player {
  static #AHEAD = 0.4; // seconds that are scheduled, so that a busy page does not stutter
  static #DRUM_CHANNEL = 9;

  constructor(notes, audible, onend) {
    Object.assign(this, { notes, audible, onend, at: 0, timer: 0 });
    this.end = notes.start.reduce((last, start, i) => Math.max(last, start + notes.length[i]), 0);
  }

  get playing() {
    return this.timer !== 0;
  }

  // Seconds from the beginning of the music.
  get now() {
    return this.playing ? Math.max(this.at, this.synth.getAudioContext().currentTime - this.zero) : this.at;
  }

  play() {
    this.synth ??= new WebAudioTinySynth({ voices: 128 });
    const context = this.synth.getAudioContext();
    context.resume();
    this.zero = context.currentTime + 0.05 - this.at;
    this.next = this.notes.start.findIndex((start) => start >= this.at);
    if (this.next < 0) this.next = this.notes.start.length;
    for (let i = 0; i < this.next; i++) this.#sound(i, this.at);
    this.timer = setInterval(() => this.#tick(), 100);
    this.#tick();
  }

  stop() {
    if (!this.playing) return;
    this.at = Math.min(this.now, this.end);
    clearInterval(this.timer);
    this.timer = 0;
    for (let channel = 0; channel < 16; channel++) this.synth.allSoundOff(channel);
  }

  // Go to a time, or play on from here after `audible` has changed.
  seek(seconds = this.now) {
    const playing = this.playing;
    this.stop();
    this.at = Math.min(Math.max(0, seconds), this.end);
    if (playing) this.play();
  }

  // Hand the notes that begin before a time to the synthesiser.
  schedule(until) {
    const { start } = this.notes;
    for (; this.next < start.length && start[this.next] < until; this.next++) this.#sound(this.next, start[this.next]);
  }

  #tick() {
    this.schedule(this.now + Player.#AHEAD);
    if (this.now < this.end) return;
    this.stop();
    this.at = 0;
    this.onend();
  }

  // Schedule what is left of a note from a time on.
  #sound(i, from) {
    const { start, length, pitch, velocity, program, track } = this.notes, end = start[i] + length[i], drum = pitch[i] >= 128;
    if ((from > start[i] && (drum || end <= from)) || !this.audible(i)) return;
    const free = track[i] % 15, channel = drum ? Player.#DRUM_CHANNEL : free + (free >= Player.#DRUM_CHANNEL);
    // A program counts from the note that is sent next.
    if (!drum) this.synth.send([0xc0 | channel, program[i]]);
    this.synth.send([0x90 | channel, pitch[i] % 128, Math.max(1, velocity[i])], this.zero + from);
    if (!drum) this.synth.send([0x80 | channel, pitch[i], 0], this.zero + end);
  }
};

// The controls of a player, and a roll that follows it: a button, a text of the time, and the space bar if asked.
//
//   const transport = new Transport(notes, audible, { button, time, roll });
//
// One of a page plays at a time.
globalThis.Transport = class Transport {
  static #all = [];

  constructor(notes, audible, shown) {
    Object.assign(this, shown);
    this.player = new Player(notes, audible, () => this.follow());
    this.button.onclick = () => this.toggle();
    Transport.#all.push(this);
  }

  // Show where the music is, and go on while it plays.
  follow() {
    const { player, button, time, roll } = this;
    button.textContent = player.playing ? "■ Stop" : "▶ Play";
    time.textContent = `${Roll.clock(player.now)} / ${Roll.clock(player.end)}`;
    roll.playAt(player.now);
    if (!player.playing) return;
    roll.reveal(player.now);
    requestAnimationFrame(() => this.follow());
  }

  toggle() {
    const playing = this.player.playing;
    for (const one of Transport.#all) one.stop();
    if (!playing) this.player.play();
    this.follow();
  }

  stop() {
    if (!this.player.playing) return;
    this.player.stop();
    this.follow();
  }

  seek(seconds) {
    this.player.seek(seconds);
    if (!this.player.playing) this.follow();
  }

  // The space bar plays and stops, unless it means something where the focus is.
  listen() {
    document.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.closest("button, input, select, summary")) return;
      event.preventDefault();
      this.toggle();
    });
  }
};
