// What the board says, as values, and what an event changes in it. Knows no page, no network and no clock.

export const LANES = ["planned", "doing", "for_review", "done"];

const byId = new Intl.Collator("en", { numeric: true });

/** The order of work packages within a lane, and of features by slug: WP2 before WP10. */
export const compareIds = (a, b) => byId.compare(a, b) || (a < b ? -1 : Number(a > b));

/** One text for a feature of a project; two features never have the same. */
export function featureKey(project, slug) {
  return [project, slug].map((part) => encodeURIComponent((part ?? "").toWellFormed())).join("/");
}

/** How sure `Board.apply` is of what it did; of the last two, the hub has to be asked. */
export const SURE = "sure";
export const LIKELY = "likely";
export const UNKNOWN = "unknown";

/**
 * The team's features and cards at one sequence.
 *
 * The hub folds events by their clocks, and its word is final: an event that comes late may be older than what a card
 * shows. The board has no clocks, so `apply` goes by those of the events that it saw. An event that is newer than the
 * last one about the same, and goes on where the card stands, is done for sure; the first one is likely so.
 */
export class Board {
  constructor() {
    this.clear();
  }

  clear() {
    this.features = new Map();
    this.sequence = -1;
    this.changed = new Set();
    this._clocks = new Map();
  }

  /** Take the hub's whole board. False, and nothing changes, when it is older than what is known. */
  replace({ sequence, projects }) {
    if (sequence < this.sequence) return false;
    this.sequence = sequence;
    const gone = new Set(this.features.keys());
    for (const { project_slug: project, features } of projects) {
      for (const { work_packages: cards, ...facts } of features) {
        const feature = this._feature(project, facts.feature_slug);
        gone.delete(feature.key);
        Object.assign(feature, {
          number: facts.feature_number,
          branch: facts.target_branch,
          createdAt: facts.created_at,
          completedAt: facts.completed_at,
          wpCount: facts.wp_count,
          cards: new Map(cards.map((card) => [card.wp_id, card])),
        });
        this.changed.add(feature.key);
      }
    }
    for (const key of gone) this._forget(key);
    return true;
  }

  /** Take the cards of a socket's first frame. False, and nothing changes, when they are older than what is known. */
  replaceCards(sequence, cards) {
    if (sequence < this.sequence) return false;
    this.sequence = sequence;
    for (const feature of this.features.values()) feature.cards = new Map();
    for (const card of cards) this._feature(card.project_slug, card.feature_slug).cards.set(card.wp_id, card);
    for (const key of this.features.keys()) this.changed.add(key);
    return true;
  }

  /** Take the next event of the team's log, and say how sure the board is of what follows from it. */
  apply(sequence, event) {
    const { feature_slug: slug, wp_id: wpId } = event.payload;
    const change = CHANGES[event.event_type];
    const isKnown = sequence <= this.sequence;
    this.sequence = Math.max(this.sequence, sequence);
    if (!change) return SURE;
    if (!slug) return isKnown ? SURE : UNKNOWN;
    const fact = [featureKey(event.project_slug, slug), wpId ?? "", event.event_type].join("\n");
    const seen = this._clocks.get(fact);
    if (seen && !isNewer(event, seen)) return SURE; // and nothing follows
    this._clocks.set(fact, { lamport_clock: event.lamport_clock, node_id: event.node_id });
    if (isKnown) return SURE; // the board is made of it already
    const feature = this._feature(event.project_slug, slug);
    this.changed.add(feature.key);
    if (!change(feature, wpId, event)) return UNKNOWN;
    return seen ? SURE : LIKELY;
  }

  /** The card that an event is about; undefined when it is about none that is known. */
  cardOf({ project_slug: project, payload }) {
    return this.features.get(featureKey(project, payload.feature_slug))?.cards.get(payload.wp_id);
  }

  /** Every card with its feature. */
  *cards() {
    for (const feature of this.features.values()) {
      for (const card of feature.cards.values()) yield [feature, card];
    }
  }

  /** The keys of features that changed since this was last asked. */
  takeChanged() {
    const keys = this.changed;
    this.changed = new Set();
    return keys;
  }

  _feature(project, slug) {
    const key = featureKey(project, slug);
    if (!this.features.has(key)) {
      this.features.set(key, {
        key, project: project ?? "", slug, number: null, branch: null, createdAt: null, completedAt: null, wpCount: 0,
        cards: new Map(),
      });
    }
    return this.features.get(key);
  }

  _forget(key) {
    this.features.delete(key);
    this.changed.add(key);
  }
}

/** How many work packages of a feature there are in each lane, and in all (planned ones that nobody told yet, too). */
export function progress(feature) {
  const counts = Object.fromEntries(LANES.map((lane) => [lane, 0]));
  for (const card of feature.cards.values()) counts[card.status] += 1;
  return { counts, total: Math.max(feature.wpCount ?? 0, feature.cards.size) };
}

export function isFinished(feature) {
  const { counts, total } = progress(feature);
  return total > 0 && counts.done === total;
}

/** Projects by name; in each, open features first, then the newest first. */
export function compareFeatures(a, b) {
  return compareIds(a.project, b.project)
    || isFinished(a) - isFinished(b)
    || Number(b.number ?? 0) - Number(a.number ?? 0)
    || compareIds(b.slug, a.slug);
}

function isNewer(event, seen) {
  if (event.lamport_clock !== seen.lamport_clock) return event.lamport_clock > seen.lamport_clock;
  return event.node_id > seen.node_id;
}

/** What each type of event changes; false when it does not follow from what the board says. */
const CHANGES = {
  WPCreated(feature, wpId, { payload, timestamp }) {
    if (feature.cards.has(wpId)) return false;
    const dependencies = payload.dependencies ?? [];
    feature.cards.set(wpId, {
      wp_id: wpId, title: payload.title, status: "planned", agent: null, phase: null, dependencies,
      blocked_by: dependencies.filter((id) => feature.cards.get(id)?.status !== "done"),
      status_since: timestamp, updated_at: timestamp, updated_by: null,
    });
    return true;
  },

  WPStatusChanged(feature, wpId, { payload, timestamp }) {
    const card = feature.cards.get(wpId);
    if (card?.status !== payload.previous_status) return false;
    update(feature, card, { status: payload.new_status, status_since: timestamp, updated_at: timestamp,
      updated_by: payload.changed_by });
    for (const other of feature.cards.values()) {
      if (!other.dependencies.includes(wpId)) continue;
      const rest = other.blocked_by.filter((id) => id !== wpId);
      update(feature, other, { blocked_by: payload.new_status === "done" ? rest : [...rest, wpId].sort(compareIds) });
    }
    return true;
  },

  WPAssigned(feature, wpId, { payload, timestamp }) {
    const card = feature.cards.get(wpId);
    if (!card) return false;
    update(feature, card, { agent: payload.agent_id, phase: payload.phase, updated_at: timestamp });
    return true;
  },

  FeatureCreated(feature, _, { payload }) {
    Object.assign(feature, { number: payload.feature_number, branch: payload.target_branch,
      createdAt: payload.created_at, wpCount: payload.wp_count });
    return true;
  },

  FeatureCompleted(feature, _, { payload }) {
    feature.completedAt = payload.completed_at;
    return true;
  },

  DependencyResolved(feature, wpId, { payload }) {
    const card = feature.cards.get(wpId);
    if (!card) return false;
    update(feature, card, { blocked_by: card.blocked_by.filter((id) => id !== payload.dependency_wp_id) });
    return true;
  },
};

/** Cards are values: a changed one is another object. */
function update(feature, card, changes) {
  feature.cards.set(card.wp_id, { ...card, ...changes });
}
