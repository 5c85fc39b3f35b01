// How reading a run can go wrong: a connection that is worth another try, or an answer that is final.

/** The connection failed or ended before the run did. Reading on from the last event is safe. */
export class ConnectionLost extends Error {}

/** The server said no; asking the same again would not help. `code` is for programs, the message for people. */
export class Refusal extends Error {
  constructor(code, message, { retryAfter = null } = {}) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

const SENTENCES = {
  404: "The server no longer knows this answer; it may have been restarted. The text so far was kept.",
  410: "The server has already let go of this answer. The text so far was kept.",
};

/** Reads an error response. `resuming` chooses the sentence for runs that are gone. */
export async function refusalFrom(response) {
  let said = null;
  try {
    said = (await response.json()).error;
  } catch {
    // A proxy in between answers in HTML; its status still says what happened.
  }
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? seconds : null;
  const fallback = `The server answered with status ${response.status}.`;
  const refusal = new Refusal(said?.code ?? said?.type ?? `http_${response.status}`, said?.message ?? fallback, { retryAfter });
  refusal.status = response.status;
  return refusal;
}

/** What to tell a reader who came back to a run that cannot be read any more. */
export function goneSentence(refusal) {
  if (refusal.status === 410 || /expired|gone/.test(refusal.code)) return SENTENCES[410];
  if (refusal.status === 404 || /not_found|unknown/.test(refusal.code)) return SENTENCES[404];
  return null;
}
