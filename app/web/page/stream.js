// Server-sent events that come back by themselves and say when they are away.
//
// fetch instead of EventSource: EventSource gives up for ever at the first answer that is an error, tells nobody why,
// and does not notice a connection that has silently died.

import { refusal } from "./api.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
// The server sends a heartbeat every 15 s.
const SILENCE_MS = 40_000;

/** Follow the stream at `url` until `end` has come or `close` is called. */
export class Stream {
  #url;
  #hear;
  #lastId = null;
  #failures = 0;
  #abort = null;
  #timer = null;
  #closed = false;

  /** `hear` has functions: event(name, data), opened(), lost(reason, seconds to the next try), gone(sentence). */
  constructor(url, hear) {
    this.#url = url;
    this.#hear = hear;
    this.#connect();
  }

  /** End it for good. */
  close() {
    this.#closed = true;
    this.pause();
  }

  /** Let go of the connection; a browser has only six for all pages of one server. */
  pause() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  /** Connect now, where there is no connection. */
  resume() {
    if (this.#closed || this.#abort) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  async #connect() {
    const abort = (this.#abort = new AbortController());
    let reason = "Offline: the connection to the web server is lost.";
    try {
      const response = await fetch(this.#url, {
        headers: { Accept: "text/event-stream", ...(this.#lastId === null ? {} : { "Last-Event-ID": this.#lastId }) },
        cache: "no-store",
        signal: abort.signal,
      });
      if (!response.ok) throw await refusal(response);
      this.#hear.opened();
      await this.#read(response.body, abort);
    } catch (error) {
      if (this.#abort === abort && error.status >= 400 && error.status < 500 && error.status !== 429) {
        this.close();
        this.#hear.gone(error.message);
      }
      if (error.status) reason = error.message; // the server is there, and says what is wrong
    }
    if (this.#abort === abort) this.#again(reason);
  }

  #again(reason) {
    this.#abort = null;
    if (this.#closed) return;
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    const delay = longest * (0.5 + Math.random() / 2); // at random, so that all pages do not come back at once
    this.#hear.lost(reason, delay / 1000);
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  async #read(body, abort) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const silence = setTimeout(() => abort.abort(), SILENCE_MS);
      const { value, done } = await reader.read().finally(() => clearTimeout(silence));
      if (done || abort.signal.aborted) return;
      const messages = (rest + value).split(/\r?\n\r?\n/);
      rest = messages.pop();
      for (const message of messages) if (this.#abort === abort) this.#take(message);
    }
  }

  #take(message) {
    const fields = { event: "message", data: [] };
    for (const line of message.split(/\r?\n/)) {
      const [, name, text] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "data") fields.data.push(text);
      else fields[name] = text;
    }
    if (fields.id !== undefined) this.#lastId = fields.id;
    if (!fields.data.length) return;
    this.#failures = 0;
    if (fields.event === "end") this.close();
    const data = JSON.parse(fields.data.join("\n"));
    queueMicrotask(() => this.#hear.event(fields.event, data)); // what fails in there is no failure of the connection
  }
}
