"""The door for programs: EventEmitter with a method per event, get_emitter(), and the same methods as functions.

`emit_*` never raises: an event that is not valid or cannot be stored is a warning in the log, and None. How an event
is stored is emission.py's.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from catflap.config import home, is_disabled
from catflap.emission import Emission
from catflap.errors import CatflapError
from catflap.instants import iso
from catflap.payloads import build

P = ParamSpec("P")
R = TypeVar("R")

NO_AGGREGATE = "error"
"""The aggregate_id of an ErrorLogged without a work package, the one event that may have nothing to name."""

_log = logging.getLogger("catflap.emitter")


class EventEmitter(Emission):
    """An emission per kind of event: each `emit_*` returns the event as a dict, or None with a warning logged."""

    def emit_wp_status_changed(
        self,
        wp_id: str,
        previous_status: str,
        new_status: str,
        changed_by: str = "user",
        feature_slug: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The WPStatusChanged event as it was queued, or None with a warning logged."""
        fields = {
            "wp_id": wp_id,
            "previous_status": previous_status,
            "new_status": new_status,
            "changed_by": changed_by,
            "feature_slug": feature_slug,
        }
        return self._tell("WPStatusChanged", wp_id, fields, causation_id)

    def emit_wp_created(
        self,
        wp_id: str,
        title: str,
        feature_slug: str,
        dependencies: list[str] | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The WPCreated event as it was queued, or None with a warning logged."""
        fields = {
            "wp_id": wp_id,
            "title": title,
            "dependencies": dependencies if dependencies is not None else [],
            "feature_slug": feature_slug,
        }
        return self._tell("WPCreated", wp_id, fields, causation_id)

    def emit_wp_assigned(
        self,
        wp_id: str,
        agent_id: str,
        phase: str,
        retry_count: int = 0,
        feature_slug: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The WPAssigned event as it was queued, or None with a warning logged."""
        fields = {
            "wp_id": wp_id,
            "agent_id": agent_id,
            "phase": phase,
            "retry_count": retry_count,
            "feature_slug": feature_slug,
        }
        return self._tell("WPAssigned", wp_id, fields, causation_id)

    def emit_feature_created(
        self,
        feature_slug: str,
        feature_number: str,
        target_branch: str,
        wp_count: int,
        created_at: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The FeatureCreated event as it was queued, or None with a warning logged; without `created_at`: now."""
        fields = {
            "feature_slug": feature_slug,
            "feature_number": feature_number,
            "target_branch": target_branch,
            "wp_count": wp_count,
            "created_at": created_at if created_at is not None else iso(time.time()),
        }
        return self._tell("FeatureCreated", feature_slug, fields, causation_id)

    def emit_feature_completed(
        self,
        feature_slug: str,
        total_wps: int,
        completed_at: str | None = None,
        total_duration: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The FeatureCompleted event as it was queued, or None with a warning logged; without `completed_at`: now."""
        fields = {
            "feature_slug": feature_slug,
            "completed_at": completed_at if completed_at is not None else iso(time.time()),
            "total_wps": total_wps,
            "total_duration": total_duration,
        }
        return self._tell("FeatureCompleted", feature_slug, fields, causation_id)

    def emit_history_added(
        self,
        wp_id: str,
        entry_type: str,
        entry_content: str,
        author: str = "user",
        feature_slug: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The HistoryAdded event as it was queued, or None with a warning logged."""
        fields = {
            "wp_id": wp_id,
            "entry_type": entry_type,
            "entry_content": entry_content,
            "author": author,
            "feature_slug": feature_slug,
        }
        return self._tell("HistoryAdded", wp_id, fields, causation_id)

    def emit_error_logged(
        self,
        error_type: str,
        error_message: str,
        wp_id: str | None = None,
        stack_trace: str | None = None,
        agent_id: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The ErrorLogged event as it was queued, or None with a warning logged."""
        fields = {
            "wp_id": wp_id,
            "error_type": error_type,
            "error_message": error_message,
            "stack_trace": stack_trace,
            "agent_id": agent_id,
        }
        return self._tell("ErrorLogged", wp_id if wp_id is not None else NO_AGGREGATE, fields, causation_id)

    def emit_dependency_resolved(
        self,
        wp_id: str,
        dependency_wp_id: str,
        resolution_type: str,
        feature_slug: str | None = None,
        causation_id: str | None = None,
    ) -> dict[str, Any] | None:
        """The DependencyResolved event as it was queued, or None with a warning logged."""
        fields = {
            "wp_id": wp_id,
            "dependency_wp_id": dependency_wp_id,
            "resolution_type": resolution_type,
            "feature_slug": feature_slug,
        }
        return self._tell("DependencyResolved", wp_id, fields, causation_id)

    def _tell(
        self, event_type: str, aggregate_id: str, fields: Mapping[str, Any], causation_id: str | None
    ) -> dict[str, Any] | None:
        if is_disabled():
            return None
        try:
            return self.emit(event_type, aggregate_id, build(event_type, fields).to_dict(), causation_id).to_dict()
        except (CatflapError, sqlite3.Error, OSError) as error:  # what a disk, a lock or a rule can say
            _log.warning("%s was not told: %s", event_type, error)
        except (TypeError, ValueError, RecursionError) as error:  # an argument that cannot even be looked at
            _log.warning(
                "%s was not told: an argument cannot be used (%s: %s)", event_type, type(error).__name__, error
            )
        return None


_emitters_lock = threading.Lock()
_emitters: dict[Path | None, EventEmitter] = {}


def get_emitter() -> EventEmitter:
    """This process's emitter, one for each home that the environment named meanwhile. It opens nothing yet."""
    try:
        folder: Path | None = home()
    except (CatflapError, OSError):  # no home now: the emission says so, and asks again
        folder = None
    with _emitters_lock:
        return _emitters.setdefault(folder, EventEmitter(folder))


# Held while the process forks, so that no other thread of the parent leaves it locked in the child.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_emitters_lock.acquire, after_in_parent=_emitters_lock.release, after_in_child=_emitters_lock.release
    )


def _at_the_door(method: Callable[Concatenate[EventEmitter, P], R]) -> Callable[P, R]:
    """The method as a function that asks for the emitter when it is called."""

    @functools.wraps(method)
    def emit(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(get_emitter(), *args, **kwargs)

    signature = inspect.signature(method)
    emit.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return emit


emit_wp_status_changed = _at_the_door(EventEmitter.emit_wp_status_changed)
emit_wp_created = _at_the_door(EventEmitter.emit_wp_created)
emit_wp_assigned = _at_the_door(EventEmitter.emit_wp_assigned)
emit_feature_created = _at_the_door(EventEmitter.emit_feature_created)
emit_feature_completed = _at_the_door(EventEmitter.emit_feature_completed)
emit_history_added = _at_the_door(EventEmitter.emit_history_added)
emit_error_logged = _at_the_door(EventEmitter.emit_error_logged)
emit_dependency_resolved = _at_the_door(EventEmitter.emit_dependency_resolved)
