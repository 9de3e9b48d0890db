-- Everything catflap remembers, in one file (queue.db): what waits for the server, and what the world was told.
-- `queue` is the data model's table to the letter; other tools read it, and Spec Kitty may have made it already
-- (database.py checks its columns). The rest is ours.

CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT UNIQUE NOT NULL,
    event_type TEXT NOT NULL,
    data TEXT NOT NULL,           -- Full JSON event
    timestamp INTEGER NOT NULL,   -- Queue time (epoch seconds)
    retry_count INTEGER DEFAULT 0
);

CREATE INDEX IF NOT EXISTS idx_timestamp ON queue(timestamp);
CREATE INDEX IF NOT EXISTS idx_retry ON queue(retry_count);

-- The events that left the queue because the server has them, the newest of them: the memory of `catflap events`.
CREATE TABLE sent (
    id INTEGER PRIMARY KEY,             -- as it was in queue: the order of telling
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    data TEXT NOT NULL                  -- full JSON event
);

-- Why the server refused queued events, in its words, the last time that it did. One whose event is gone means nothing.
CREATE TABLE refusal (
    event_id TEXT PRIMARY KEY,
    why TEXT NOT NULL
) WITHOUT ROWID;

-- One row: facts about this file as a whole.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    highest_clock INTEGER NOT NULL      -- the highest Lamport clock ever put in `queue`; rebuilds a lost clock.json
);
INSERT INTO meta (id, highest_clock)
SELECT 1, coalesce(max(CASE WHEN json_valid(data) AND json_type(data, '$.lamport_clock') = 'integer'
    THEN min(max(json_extract(data, '$.lamport_clock'), 0), 9007199254740991) END), 0) FROM queue;

-- A project is one git common dir in which `catflap install` was run.
CREATE TABLE project (
    id INTEGER PRIMARY KEY,
    common_dir TEXT UNIQUE NOT NULL,    -- absolute
    path TEXT NOT NULL,                 -- the checkout that `catflap install` named
    slug TEXT NOT NULL,
    hooks_dir TEXT,                     -- where our hooks are; NULL after --no-hooks
    installed_at TEXT NOT NULL,
    heads TEXT,                         -- JSON list: where HEAD was in each worktree then; NULL: an older catflap
    is_installed INTEGER NOT NULL       -- 0 after `catflap uninstall`: what was announced stays known
);

-- A view is one worktree, keyed by its git dir, since `git worktree move` changes paths.
CREATE TABLE view (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    git_dir TEXT UNIQUE NOT NULL,       -- absolute
    cursor TEXT NOT NULL                -- JSON: the last HEAD move read, and the rebase under way
);

-- What a view looked like when we last looked: its cursor's commit, and a row per file that was not as the commit has it.
CREATE TABLE base (
    view_id INTEGER NOT NULL REFERENCES view(id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    facts TEXT NOT NULL,                -- JSON; null: the file was gone
    stamp TEXT,                         -- mtime, size and inode of the file with these facts; NULL: not known
    PRIMARY KEY (view_id, path)
) WITHOUT ROWID;

-- What the world was told, a row per feature and a row per work package. Only a backfill deletes rows (ledger.forget).
CREATE TABLE feature (
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    feature_slug TEXT NOT NULL,
    announced TEXT NOT NULL,            -- JSON
    PRIMARY KEY (project_id, feature_slug)
) WITHOUT ROWID;

CREATE TABLE announced (
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    feature_slug TEXT NOT NULL,
    wp_id TEXT NOT NULL,
    announced TEXT NOT NULL,            -- JSON
    PRIMARY KEY (project_id, feature_slug, wp_id)
) WITHOUT ROWID;

-- One ErrorLogged for each distinct content.
CREATE TABLE seen_error (
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (project_id, digest)
) WITHOUT ROWID;

-- How far each backfill has come: what a run tells that stops half way, and is done by the next.
CREATE TABLE milestone (
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    scope TEXT NOT NULL,                -- JSON: which history, and what of it
    since INTEGER,                      -- epoch seconds; commits before that are not told. NULL: all are
    next_commit INTEGER NOT NULL,       -- the place in the chain, from 0, of the first commit that is not told whole
    told_of_it INTEGER NOT NULL,        -- how many of its events were told
    is_done INTEGER NOT NULL,           -- 1: all is told, and the ledger is where the chain ends
    PRIMARY KEY (project_id, scope)
) WITHOUT ROWID;

-- What was told and what was held back, and why: the memory of `catflap explain`.
CREATE TABLE trace (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    at TEXT NOT NULL,
    feature_slug TEXT NOT NULL,
    wp_id TEXT,
    rule TEXT NOT NULL,
    outcome TEXT NOT NULL,              -- told, or held
    fact TEXT NOT NULL,                 -- status, agent, history, ...
    before TEXT,
    after TEXT,
    commit_sha TEXT,
    path TEXT,
    event_id TEXT,
    note TEXT NOT NULL
);

CREATE INDEX idx_trace_wp ON trace(project_id, feature_slug, wp_id, id);

-- How far the team has been told of each fact: the highest (lamport_clock, node_id) that the server has, of ours and of
-- others. An event from before that comes late and moves nothing.
CREATE TABLE heard (
    project_slug TEXT NOT NULL,
    feature_slug TEXT NOT NULL,
    wp_id TEXT NOT NULL,                -- '' for events about the feature
    event_type TEXT NOT NULL,
    lamport_clock INTEGER NOT NULL,
    node_id TEXT NOT NULL,
    PRIMARY KEY (project_slug, feature_slug, wp_id, event_type)
) WITHOUT ROWID;
