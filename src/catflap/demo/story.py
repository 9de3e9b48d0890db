"""The demo's small history: two features of a cat door, a dozen work packages, about forty steps. Data only.

The first feature keeps lanes in frontmatter, the second in a lane log, as Spec Kitty before and since 3.0 does.
"""

from __future__ import annotations

from dataclasses import dataclass

LATCH = "001-night-latch"
TREATS = "002-treat-counter"


@dataclass(frozen=True, slots=True)
class WP:
    """A work package as it is planned."""

    wp_id: str
    title: str
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Write a feature: meta.json and its work packages; with ``has_log`` their lanes stand in a lane log."""

    feature: str
    wps: tuple[WP, ...]
    has_log: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """Edit the frontmatter of a work package of the first feature, and append a row to its Activity Log.

    ``by`` also becomes its agent when ``assign`` says so; ``feedback`` sets review_status.
    """

    wp_id: str
    lane: str = ""
    by: str = ""
    row: str = ""
    assign: bool = False
    feedback: bool = False
    body: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Append a transition to the lane log of the second feature."""

    wp_id: str
    from_lane: str
    to_lane: str
    actor: str


@dataclass(frozen=True, slots=True)
class Reformat:
    """Write every work package anew: keys sorted, other quotes, other line ends; not a word changes."""


@dataclass(frozen=True, slots=True)
class Git:
    """A git command. ``{worktree}`` is the path of the linked worktree."""

    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What happens, then a commit of all of it (when ``commit`` holds a message), in the main or linked worktree."""

    title: str
    actions: tuple[Plan | Edit | Row | Reformat | Git, ...]
    commit: str = ""
    in_worktree: bool = False
    tells: bool = True


def _git(title: str, *args: str, in_worktree: bool = False, tells: bool = False) -> Step:
    return Step(title, (Git(args),), in_worktree=in_worktree, tells=tells)


def _claim(wp_id: str, by: str, *, in_worktree: bool = False) -> Step:
    edit = Edit(wp_id, "doing", by, "Started implementation", assign=True)
    return Step(f"{by} claims {wp_id}", (edit,), f"Start {wp_id} [{by}]", in_worktree=in_worktree)


def _hand_in(wp_id: str, by: str, words: str, *, in_worktree: bool = False) -> Step:
    edit = Edit(wp_id, "for_review", by, words)
    return Step(f"{by} hands {wp_id} in", (edit,), f"Move {wp_id} to for_review", in_worktree=in_worktree)


def _approve(wp_id: str, by: str, words: str) -> Step:
    return Step(f"{by} approves {wp_id}", (Edit(wp_id, "done", by, words),), f"Move {wp_id} to done")


_LATCH_PLAN = Plan(
    LATCH,
    (
        WP("WP01", "Read the collar tag"),
        WP("WP02", "Drive the latch motor", ("WP01",)),
        WP("WP03", "Tell dusk from a cloud"),
        WP("WP04", "Keep the curfew", ("WP03",)),
        WP("WP05", "Write down every passage", ("WP01",)),
        WP("WP06", "Warn of a low battery"),
        WP("WP07", "Explain how to fit the door", ("WP02", "WP04")),
    ),
)
_TREATS_PLAN = Plan(
    TREATS,
    (
        WP("WP01", "Weigh the bowl"),
        WP("WP02", "Count treats per day", ("WP01",)),
        WP("WP03", "Forgive a stolen treat", ("WP02",)),
        WP("WP04", "Show the tally"),
        WP("WP05", "Say when it is enough", ("WP02", "WP04")),
    ),
    has_log=True,
)

STORY: tuple[Step, ...] = (
    Step(f"plan {LATCH}: seven work packages", (_LATCH_PLAN,), "Plan the night latch"),
    _claim("WP01", "claude"),
    _claim("WP03", "codex"),
    Step(
        "a sentence more in the prompt of WP02",
        (Edit("WP02", body="The motor must stop within 80 ms when something is in the way.\n"),),
        "Say how fast the latch stops",
        tells=False,
    ),
    Step(f"plan {TREATS}: five more, lanes in a log", (_TREATS_PLAN,), "Plan the treat counter"),
    _hand_in("WP01", "claude", "Ready for review: reads tags at 12 cm"),
    Step(
        "opencode reviews WP01 and sends it back",
        (Edit("WP01", "doing", "opencode", "Changes requested: two tags at once are read as one", feedback=True),),
        "Move WP01 to doing: feedback",
    ),
    _hand_in("WP01", "claude", "Addressed feedback: the nearer tag wins"),
    _git("amend that commit, only its message", "commit", "-q", "--amend", "-m", "Move WP01 to for_review again"),
    _approve("WP01", "opencode", "Approved: two tags, one cat"),
    _git("a linked worktree for WP02", "worktree", "add", "-q", "-b", "wp02", "{worktree}"),
    _claim("WP02", "claude", in_worktree=True),
    _hand_in("WP03", "codex", "Ready for review: clouds no longer close the door"),
    _hand_in("WP02", "claude", "Ready for review: stops within 60 ms", in_worktree=True),
    Step(
        f"codex starts WP01 of {TREATS}",
        (Row("WP01", "planned", "claimed", "codex"), Row("WP01", "claimed", "in_progress", "codex")),
        "Start WP01 of the treat counter",
    ),
    _git("merge the branch of WP02", "merge", "-q", "--no-ff", "-m", "Merge branch wp02", "wp02"),
    _git("take the linked worktree away", "worktree", "remove", "{worktree}"),
    Step("re-format every work package", (Reformat(),), "Re-format all work packages", tells=False),
    _git("a branch for WP04", "switch", "-q", "-c", "wp04"),
    _claim("WP04", "codex"),
    _hand_in("WP04", "codex", "Ready for review: closes at dusk, opens at dawn"),
    _git("back to main, which has not heard of it", "switch", "-q", "main"),
    _approve("WP03", "opencode", "Approved: a cloud is not the night"),
    _claim("WP05", "claude"),
    _git("rebase the branch of WP04 onto main", "rebase", "-q", "main", "wp04"),
    _git("main again", "switch", "-q", "main"),
    _git("fast-forward main to WP04", "merge", "-q", "--ff-only", "wp04"),
    _approve("WP02", "opencode", "Approved: no tail was harmed"),
    _approve("WP04", "opencode", "Approved"),
    _hand_in("WP05", "claude", "Ready for review: one line per cat and passage"),
    Step(
        "amend that commit: WP06 starts, too",
        (
            Edit("WP06", "doing", "codex", "Started implementation", assign=True),
            Git(("add", "-A")),
            Git(("commit", "-q", "--amend", "--no-edit")),
        ),
    ),
    Step(
        f"two agents move {TREATS} at once",
        (Row("WP01", "in_progress", "for_review", "codex"), Row("WP04", "planned", "in_progress", "claude")),
        "Record transitions of the treat counter",
    ),
    _approve("WP06", "codex", "Done, I think"),
    _git("nobody reviewed that: revert it", "revert", "--no-edit", "HEAD", tells=True),
    _hand_in("WP06", "codex", "Ready for review: blinks three nights ahead"),
    Step(
        "opencode approves WP05 and WP06",
        (Edit("WP05", "done", "opencode", "Approved"), Edit("WP06", "done", "opencode", "Approved")),
        "Move WP05 and WP06 to done",
    ),
    _claim("WP07", "claude"),
    _git(
        "rename the file of WP07",
        "mv",
        f"kitty-specs/{LATCH}/tasks/WP07-explain-how-to-fit-the-door.md",
        f"kitty-specs/{LATCH}/tasks/WP07-fitting-guide.md",
    ),
    Step("commit the new name", (), "Give WP07 a shorter name", tells=False),
    _hand_in("WP07", "claude", "Ready for review: with a drawing"),
    _approve("WP07", "opencode", "Approved: fitted in an hour"),
    Step(
        f"opencode approves WP01 of {TREATS}, claude is stuck on WP04",
        (Row("WP01", "for_review", "approved", "opencode"), Row("WP04", "in_progress", "blocked", "claude")),
        "Record transitions of the treat counter",
    ),
)
