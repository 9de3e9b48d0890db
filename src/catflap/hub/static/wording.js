// How the board says things: ages, times, lanes, and what an event tells. Values in, text out.

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** After so long in a lane a card is worth a look (s). */
const LONG_S = { doing: 3 * DAY_S, for_review: DAY_S };

/** Characters that turn the direction of what follows, or are not to be seen: shown as what they are, a hole. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

export const laneName = (lane) => (lane === "for_review" ? "for review" : lane);

/** The text without what could make it read as another; at most `length` characters, the rest as an ellipsis. */
export function plain(text, length = Infinity) {
  const seen = String(text ?? "").replace(UNSEEN, "\ufffd").trim();
  return seen.length > length ? `${seen.slice(0, length)}…` : seen;
}

/** `12 m`, `3 h`, `5 d`: how long ago, roughly; empty when unknown. */
export function age(iso, nowMs) {
  const seconds = (nowMs - Date.parse(iso)) / 1000;
  if (Number.isNaN(seconds)) return "";
  return span(Math.max(0, seconds));
}

/** A duration (s), roughly, in the largest unit that it fills. */
export function span(seconds) {
  if (seconds < MINUTE_S) return "now";
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min`;
  if (seconds < 2 * DAY_S) return `${Math.floor(seconds / HOUR_S)} h`;
  return `${Math.floor(seconds / DAY_S)} d`;
}

/** A duration (s) with two digits to compare by, for measurements. */
export function exactSpan(seconds) {
  const [size, unit] = seconds < 2 * MINUTE_S ? [1, "s"]
    : seconds < 2 * HOUR_S ? [MINUTE_S, "min"] : seconds < 2 * DAY_S ? [HOUR_S, "h"] : [DAY_S, "d"];
  const value = seconds / size;
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${unit}`;
}

export function isLong(lane, iso, nowMs) {
  return (nowMs - Date.parse(iso)) / 1000 > (LONG_S[lane] ?? Infinity);
}

/** The time of day, with the date when it is not today's. */
export function moment(iso, nowMs) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return at.toDateString() === new Date(nowMs).toDateString() ? time : `${day(at)} ${time}`;
}

/** The time of day, or the day when it is not today. */
export function shortMoment(iso, nowMs) {
  const at = new Date(iso);
  return at.toDateString() === new Date(nowMs).toDateString() ? moment(iso, nowMs) : day(at);
}

export const day = (at) => new Date(at).toLocaleDateString([], { day: "numeric", month: "short" });

/** What an event tells, without where: `WP03 planned → doing`. */
export function tells({ event_type: type, payload }) {
  const wp = plain(payload.wp_id, 40);
  const text = (value) => plain(value, 300);
  switch (type) {
    case "WPStatusChanged":
      return `${wp} ${laneName(payload.previous_status)} → ${laneName(payload.new_status)}`;
    case "WPCreated":
      return `${wp} created: ${text(payload.title)}`;
    case "WPAssigned":
      return `${wp} assigned to ${text(payload.agent_id)}, ${payload.phase}`
        + (payload.retry_count ? `, try ${payload.retry_count + 1}` : "");
    case "FeatureCreated":
      return `feature created with ${count(payload.wp_count)}`;
    case "FeatureCompleted":
      return `feature completed: ${count(payload.total_wps)} done`;
    case "HistoryAdded":
      return `${wp} ${payload.entry_type}: ${text(payload.entry_content)}`;
    case "ErrorLogged":
      return `${wp} ${payload.error_type} error: ${text(payload.error_message)}`.trim();
    case "DependencyResolved":
      return `${wp} no longer waits for ${text(payload.dependency_wp_id)}`;
    default:
      return text(type);
  }
}

/** Who did it, when the event says so. */
export function whose({ payload }) {
  return plain(payload.changed_by ?? payload.author ?? "", 60);
}

export const count = (number) => `${number} work package${number === 1 ? "" : "s"}`;

export const list = (ids) => ids.map((id) => plain(id, 40)).join(", ");
