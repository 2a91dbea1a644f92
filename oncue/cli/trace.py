"""`oncue trace`: the causal tree of one task, from log files of JSON lines.

It reads the lines that `oncue.actors.tracing` documents; every other line of a task's
handlers is shown below it, and what is no JSON is passed over.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

STEPS = {
    "task_enqueued": (0, "waiting"),
    "task_started": (1, "running"),
    "task_handed_back": (2, "handed back"),
    "task_failed": (2, "to be retried"),
    "task_completed": (3, "completed"),
    "task_dead": (3, "dead letter"),
}
"""Our events: their order within an attempt, and what each says of the task."""
PREFIX_MIN = 6
"""How many characters of an id are enough, when they are unique."""


@dataclass(slots=True)
class Traced:
    """What the logs say of one task."""

    task_id: str
    trace_id: str
    task_type: str
    cause_id: str | None = None
    queue: str = ""
    status: str = "unknown"
    step: tuple[int, int] = (0, -1)  # attempt, and place in it: files come in any order
    took_s: float = 0.0
    error: str | None = None
    lines: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        parts = [f"{self.task_type} {self.task_id}", self.status]
        if self.step[0]:
            parts.append(f"attempt {self.step[0]}")
        if self.took_s:
            parts.append(f"{self.took_s * 1000:.1f} ms")
        if self.error:
            parts.append(self.error)
        return ", ".join(parts)


class NoSuchTrace(LookupError):
    """No line of the logs names the id, or it is the beginning of several."""


def read_logs(lines: Iterable[str]) -> dict[str, Traced]:
    """Every task that the lines name, by id."""
    tasks: dict[str, Traced] = {}
    for record in _records(lines):
        task_id = str(record["task_id"])
        task = tasks.get(task_id)
        if task is None:
            trace_id = str(record.get("trace_id") or task_id)
            task = tasks[task_id] = Traced(task_id, trace_id, str(record.get("task_type", "?")))
        _note(task, record)
    return tasks


def draw(tasks: dict[str, Traced], wanted: str, *, lines: bool) -> Iterator[str]:
    """The tree that the task or trace `wanted` belongs to, as lines of text.

    Raises `NoSuchTrace`. A cause that no log names stands as a root of its own.
    """
    trace_id = _find(tasks, wanted)
    members = [task for task in tasks.values() if task.trace_id == trace_id]
    known = {task.task_id for task in members}
    children: dict[str | None, list[Traced]] = {}
    for task in members:
        cause = task.cause_id if task.cause_id in known else None
        children.setdefault(cause, []).append(task)
    yield f"trace {trace_id}"
    yield from _branch(children, lines=lines)


def _branch(children: dict[str | None, list[Traced]], *, lines: bool) -> Iterator[str]:
    # No recursion: a task that enqueues its successor makes a chain as long as it lives.
    stack = [(task, "", task is roots[-1]) for roots in [children.get(None, [])] for task in roots]
    stack.reverse()
    while stack:
        task, indent, last = stack.pop()
        yield f"{indent}{'└── ' if last else '├── '}{task}"
        below = indent + ("    " if last else "│   ")
        if lines:
            yield from (f"{below}· {line}" for line in task.lines)
        siblings = children.get(task.task_id, [])
        stack += [(child, below, child is siblings[-1]) for child in reversed(siblings)]


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "task_id" in record:
            yield cast(dict[str, Any], record)


def _note(task: Traced, record: dict[str, Any]) -> None:
    event = str(record.get("event", ""))
    task.cause_id = record.get("cause_id") or task.cause_id
    task.queue = str(record.get("queue", task.queue))
    if event not in STEPS:
        task.lines.append(event)
        return
    rank, status = STEPS[event]
    step = int(record.get("attempt", 0)), rank
    task.took_s += float(record.get("took_s", 0.0))
    if step > task.step:
        task.step, task.status = step, status
        task.error = record.get("error")


def _find(tasks: dict[str, Traced], wanted: str) -> str:
    if wanted in tasks:
        return tasks[wanted].trace_id
    found = {
        task.trace_id
        for task in tasks.values()
        if len(wanted) >= PREFIX_MIN
        and (task.task_id.startswith(wanted) or task.trace_id.startswith(wanted))
    }
    if len(found) == 1:
        return found.pop()
    if found:
        raise NoSuchTrace(f"{wanted!r} is the beginning of {len(found)} traces; give more of it")
    raise NoSuchTrace(
        f"no task or trace {wanted!r} in {len(tasks)} logged tasks; are the logs JSON lines, "
        "from a queue with tracing on?"
    )


def run_trace(wanted: str, paths: Iterable[Path], *, lines: bool) -> str:
    """The drawing as one text. Raises `NoSuchTrace`, and OSError for a file it cannot read."""
    return "\n".join(draw(read_logs(_lines(paths)), wanted, lines=lines))


def _lines(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
