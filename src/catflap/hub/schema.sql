-- Everything that a hub knows, in one file (hub.db, mode 0600). Instants are epoch seconds unless their name says more.

CREATE TABLE team (
    id INTEGER PRIMARY KEY,
    slug TEXT UNIQUE NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0     -- of the team's newest event
);

CREATE TABLE user (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL,
    password_hash TEXT NOT NULL,            -- argon2id, in PHC string format
    created_at INTEGER NOT NULL
);

CREATE TABLE membership (
    id INTEGER PRIMARY KEY,                 -- the lowest is the user's first team
    user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
    team_id INTEGER NOT NULL REFERENCES team(id) ON DELETE CASCADE,
    UNIQUE (user_id, team_id)
);

-- A login, for as long as it is refreshed: the family of its refresh tokens. Revoked is deleted.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    membership_id INTEGER NOT NULL REFERENCES membership(id) ON DELETE CASCADE,
    refresh_jti TEXT NOT NULL,              -- the one that is good now
    refreshed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX session_membership ON session(membership_id);
CREATE INDEX session_expires ON session(expires_at);

-- The refresh tokens of a session that were exchanged already.
CREATE TABLE used_refresh (
    jti TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
    used_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX used_refresh_session ON used_refresh(session_id);

-- The board: what fold.py made of all events, as JSON.
CREATE TABLE feature (
    id INTEGER PRIMARY KEY,
    team_id INTEGER NOT NULL REFERENCES team(id),
    project_slug TEXT NOT NULL,             -- empty: the event named none
    feature_slug TEXT NOT NULL,             -- empty: the event named none
    state TEXT NOT NULL,
    UNIQUE (team_id, project_slug, feature_slug)
);

CREATE TABLE work_package (
    feature_id INTEGER NOT NULL REFERENCES feature(id),
    wp_id TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (feature_id, wp_id)
) WITHOUT ROWID;

-- Every event that was ever accepted, as it was sent. Never changed, never deleted. Its team and feature are looked up
-- in the transaction that writes it: a foreign key would have them looked up again for each row.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    team_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,              -- 1, 2, 3, ... within the team
    event_id TEXT NOT NULL,
    feature_id INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    body TEXT NOT NULL                      -- JSON
);

CREATE UNIQUE INDEX event_once ON event(team_id, event_id);
CREATE UNIQUE INDEX event_sequence ON event(team_id, sequence);
CREATE INDEX event_feature ON event(feature_id);
