// Requests to our own server. Every failure is a Refused with a sentence that can be shown.

const LIMIT_MS = 15_000;

export class Refused extends Error {
  /** `status` is 0 when there was no answer at all. */
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

/** The JSON document at `path`. */
export function get(path) {
  return request(path, { headers: { Accept: "application/json" } });
}

/** Send `body` as JSON and return the answer. */
export function post(path, body) {
  return request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) });
  } catch {
    throw new Refused("The web server does not answer; is it running?", 0);
  }
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/** What an answer that is an error says. */
export async function refusal(response) {
  if (response.status === 401) location.reload(); // the server shows its login form instead of the page
  const problem = await response.json().catch(() => ({}));
  const sentence = problem.detail ?? problem.title ?? `The web server answered ${response.status}.`;
  return new Refused(
    typeof sentence === "string" ? sentence : "The web server refused what it was sent.",
    response.status,
  );
}
