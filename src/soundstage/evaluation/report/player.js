"use strict";
// Players that switch between versions of one sound at the same sample.

{
  const FADE = 0.01; // seconds of an equal-gain crossfade; all versions share their mid
  const AHEAD = 0.02; // seconds before the first sample, to start all sources together

  let context = null; // created on the first play: browsers require a user gesture
  const players = [];
  let lastUsed = null;

  function bytesOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes.buffer;
  }

  function fade(parameter, target, at) {
    const now = parameter.value;
    parameter.cancelScheduledValues(at);
    parameter.setValueAtTime(now, at);
    parameter.linearRampToValueAtTime(target, at + FADE);
  }

  function shuffled(count) {
    const order = [...Array(count).keys()];
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  class Player {
    constructor(root) {
      const find = (selector) => root.querySelector(selector);
      this.root = root;
      this.playButton = find(".play");
      this.seekBar = find(".seek");
      this.clock = find(".clock");
      this.loopBox = find(".loop");
      this.levelBar = find(".level");
      this.blindBox = find(".blind");
      this.matchBox = find(".match");
      this.monoBox = find(".mono");
      this.statusLine = find(".status");
      this.group = find(".systems");
      this.encoded = [...root.querySelectorAll(".sound")];
      this.buttons = [...this.group.querySelectorAll("button")];
      this.names = this.buttons.map((button) => button.querySelector(".label").textContent);
      this.markers = this.buttons.map((button) => button.querySelector(".mark").firstElementChild);
      this.order = this.buttons.map((_, i) => i); // systems by place
      this.system = 0;
      this.duration = Number(root.dataset.seconds);
      this.offset = 0; // position in seconds at the context time `startedAt`
      this.startedAt = 0;
      this.playing = false;
      this.frame = 0; // animation frame of the seek bar
      this.buffers = null;
      this.loading = null;
      this.gains = [];
      this.trims = this.encoded.map((each) => Number(each.dataset.gain)); // equal loudness
      this.sources = [];
      this.listen();
    }

    listen() {
      this.playButton.addEventListener("click", () => this.toggle());
      this.seekBar.addEventListener("input", () => this.seek(Number(this.seekBar.value)));
      this.loopBox.addEventListener("change", () => this.setLoop());
      this.levelBar.addEventListener("input", () => this.setLevel());
      this.blindBox.addEventListener("change", () => this.setBlind(this.blindBox.checked));
      this.matchBox.addEventListener("change", () => this.setMatch());
      this.monoBox.addEventListener("change", () => this.setMono());
      this.buttons.forEach((button, place) => {
        button.addEventListener("click", () => this.choose(this.order[place]));
        button.disabled = false;
      });
      for (const event of ["pointerdown", "focusin"]) {
        this.root.addEventListener(event, () => (lastUsed = this));
      }
      this.playButton.disabled = this.seekBar.disabled = false;
    }

    // Current position in seconds.
    position() {
      if (!this.playing) return this.offset;
      const position = this.offset + Math.max(context.currentTime - this.startedAt, 0);
      return this.loopBox.checked ? position % this.duration : Math.min(position, this.duration);
    }

    async load() {
      context ??= new AudioContext();
      this.statusLine.textContent = "Decoding …";
      const decoded = this.encoded.map((each) =>
        context.decodeAudioData(bytesOf(each.textContent.trim())),
      );
      const buffers = await Promise.all(decoded);
      this.duration = Math.min(...buffers.map((buffer) => buffer.duration));
      this.seekBar.max = this.duration;
      this.master = context.createGain();
      // An explicit channel count of 1 makes (L+R)/2, which the output repeats on both sides
      this.fold = new GainNode(context, { channelCount: 2, channelCountMode: "explicit" });
      this.master.connect(this.fold).connect(context.destination);
      this.gains = buffers.map((_, i) => {
        const gain = context.createGain();
        gain.gain.value = i === this.system ? 1 : 0;
        gain.connect(this.master);
        return gain;
      });
      this.levels = this.gains.map((gain) => {
        const level = context.createGain();
        level.connect(gain);
        return level;
      });
      this.buffers = buffers;
      this.setLevel();
      this.setMatch();
      this.setMono();
      this.statusLine.textContent = "";
    }

    toggle() {
      if (this.playing) return Promise.resolve(this.pause());
      return this.play();
    }

    async play() {
      lastUsed = this;
      try {
        this.loading ??= this.load();
        await this.loading;
        await context.resume();
      } catch (error) {
        this.loading = null;
        this.statusLine.textContent = `This sound cannot be played here: ${error.message}`;
        return;
      }
      if (this.playing) return;
      for (const other of players) if (other !== this) other.pause();
      if (this.offset >= this.duration - 0.01) this.offset = 0;
      this.start();
      this.playing = true;
      this.playButton.textContent = "Pause";
      this.show();
    }

    pause() {
      if (!this.playing) return;
      this.offset = this.position();
      this.playing = false;
      this.silence();
      this.playButton.textContent = "Play";
      this.show();
    }

    // Start all systems at once, from `offset`, on one clock.
    start() {
      this.startedAt = context.currentTime + AHEAD;
      this.sources = this.buffers.map((buffer, i) => {
        const source = new AudioBufferSourceNode(context, {
          buffer, loop: this.loopBox.checked, loopStart: 0, loopEnd: this.duration,
        });
        const envelope = new GainNode(context, { gain: 0 });
        envelope.gain.setValueAtTime(0, this.startedAt);
        envelope.gain.linearRampToValueAtTime(1, this.startedAt + FADE);
        source.connect(envelope).connect(this.levels[i]);
        source.start(this.startedAt, this.offset);
        return { source, envelope };
      });
      const [first] = this.sources;
      first.source.onended = () => {
        if (this.playing && this.sources[0] === first) this.end();
      };
    }

    silence() {
      const now = context.currentTime;
      for (const { source, envelope } of this.sources) {
        fade(envelope.gain, 0, now);
        source.stop(now + 2 * FADE);
      }
      this.sources = [];
    }

    end() {
      this.playing = false;
      this.sources = [];
      this.offset = 0;
      this.playButton.textContent = "Play";
      this.show();
    }

    seek(seconds) {
      const target = Math.min(Math.max(seconds, 0), this.duration);
      if (this.playing) this.silence();
      this.offset = target;
      if (this.playing) this.start();
      this.show();
    }

    setLoop() {
      if (!this.playing) return;
      const elapsed = Math.max(context.currentTime - this.startedAt, 0);
      this.offset = (this.offset + elapsed) % this.duration;
      this.startedAt = context.currentTime;
      for (const { source } of this.sources) source.loop = this.loopBox.checked;
    }

    setLevel() {
      const gain = (this.levelBar.value / 100) ** 2; // closer to perceived loudness
      if (this.master) this.master.gain.setTargetAtTime(gain, context.currentTime, FADE);
    }

    // Turns louder versions down to the quietest.
    setMatch() {
      this.levels?.forEach((level, i) => {
        const gain = this.matchBox.checked ? this.trims[i] : 1;
        level.gain.setTargetAtTime(gain, context.currentTime, FADE);
      });
    }

    setMono() {
      if (this.fold) this.fold.channelCount = this.monoBox.checked ? 1 : 2;
    }

    choose(system) {
      lastUsed = this;
      this.system = system;
      this.gains.forEach((gain, i) => {
        fade(gain.gain, i === system ? 1 : 0, context.currentTime);
      });
      this.buttons.forEach((button, place) => {
        button.setAttribute("aria-pressed", String(this.order[place] === system));
      });
    }

    // Hides the names and shuffles the order; afterwards each name shows its former letter.
    setBlind(blind) {
      const before = this.order;
      this.order = blind ? shuffled(this.names.length) : this.names.map((_, i) => i);
      this.buttons.forEach((button, place) => {
        const system = this.order[place];
        const letter = String.fromCharCode(65 + (blind ? place : before.indexOf(system)));
        const label = blind ? letter : `${this.names[system]} (was ${letter})`;
        button.querySelector(".label").textContent = label;
        button.querySelector(".mark").replaceChildren(...(blind ? [] : [this.markers[system]]));
      });
      this.choose(blind ? this.order[0] : this.system); // the previous choice would give the name away
    }

    show() {
      const position = this.position();
      if (document.activeElement !== this.seekBar || this.playing) this.seekBar.value = position;
      this.clock.value = `${position.toFixed(1)} / ${this.duration.toFixed(1)} s`;
      cancelAnimationFrame(this.frame);
      if (this.playing) this.frame = requestAnimationFrame(() => this.show());
    }

    // For tests.
    state() {
      return {
        position: this.position(),
        duration: this.duration,
        playing: this.playing,
        system: this.system,
        gains: this.gains.map((gain) => gain.gain.value),
        levels: (this.levels ?? []).map((level) => level.gain.value),
        lengths: (this.buffers ?? []).map((buffer) => buffer.length),
        labels: this.buttons.map((button) => button.querySelector(".label").textContent),
        blind: this.blindBox.checked,
      };
    }
  }

  for (const root of document.querySelectorAll(".player")) players.push(new Player(root));
  window.soundstagePlayers = players;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const player = lastUsed ?? players[0];
    const place = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
    if (!player || place < 0 || place >= player.buttons.length) return;
    player.choose(player.order[place]);
    event.preventDefault();
  });
}
