"""What is wrong with settings, said so that it can be mended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One wrong key, or a whole file when `key` is empty.

    `source` is a file, an environment variable or a call; `nearest` the valid key that is most
    like an unknown one.
    """

    source: str
    key: str
    message: str
    nearest: str | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.message) if part)


class SettingsError(ValueError):
    """Settings that cannot be used; each of its `problems` is one line of its sentence."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, however little; None when there is none."""
    return next(iter(get_close_matches(name, sorted(valid), n=1, cutoff=0.0)), None)


def unknown(source: str, key: str, name: str, valid: Sequence[str]) -> Problem:
    """The problem of a `name`, at `key`, that is none of those that are valid there."""
    near = nearest(name, valid)
    told = f"no such key; the nearest is {near}" if near else "no such key; none is valid here"
    return Problem(source=source, key=key, message=told, nearest=near)
