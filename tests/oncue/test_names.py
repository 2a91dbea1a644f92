"""What `import oncue` offers: each name loads, and is what the type checkers take it for."""

import ast
from importlib import import_module
from pathlib import Path

import apscheduler.events  # type: ignore[import-untyped]
import pytest

import oncue


def checked_names() -> dict[str, str]:
    """The names that the type checkers see, and where from."""
    assert oncue.__file__ is not None
    tree = ast.parse(Path(oncue.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_each_name_that_the_checkers_see_is_there_and_the_same() -> None:
    for name, home in checked_names().items():
        assert getattr(oncue, name) is getattr(import_module(home), name), name
    assert checked_names().keys() <= set(dir(oncue))


def test_no_name_is_there_that_the_checkers_do_not_see() -> None:
    hidden = {"Any", "TYPE_CHECKING", "import_module"}
    public = {name for name in dir(oncue) if not name.startswith("_")} - hidden
    modules = {name for name in public if isinstance(getattr(oncue, name), type(oncue))}
    assert public - modules == checked_names().keys()


@pytest.mark.parametrize(
    "name",
    [
        *("EVENT_ALL", "EVENT_JOB_ADDED", "EVENT_JOB_REMOVED", "EVENT_JOB_MODIFIED"),
        *("EVENT_JOB_SUBMITTED", "EVENT_JOB_EXECUTED", "EVENT_JOB_ERROR", "EVENT_JOB_MISSED"),
        *("EVENT_JOB_MAX_INSTANCES", "EVENT_SCHEDULER_STARTED", "EVENT_SCHEDULER_SHUTDOWN"),
        *("EVENT_SCHEDULER_PAUSED", "EVENT_SCHEDULER_RESUMED"),
        *("SchedulerEvent", "JobEvent", "JobSubmissionEvent", "JobExecutionEvent"),
    ],
)
def test_events_are_apschedulers_own(name: str) -> None:
    """So a listener written for APScheduler works."""
    assert getattr(oncue, name) is getattr(apscheduler.events, name)


def test_what_is_not_there_is_said_like_by_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'oncue' has no attribute 'enqueue'"):
        _ = oncue.enqueue
