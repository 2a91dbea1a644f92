"""`module:attribute` names a queue, or the error says which part of it does not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncue.adapters.memory import MemoryQueue
from oncue.cli.locate import NoSuchQueue, locate_queue

BOUTIQUE = """
from oncue import open_queue

def make():
    return open_queue("memory")

def needs(something): ...

def nothing(): ...

async def later(): ...

class Shop:
    queue = make()

queue = make()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with a module and a package; what is imported is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "boutique.py").write_text(BOUTIQUE)
    company = tmp_path / "a_company"
    company.mkdir()
    (company / "__init__.py").write_text("")
    (company / "boutique.py").write_text(BOUTIQUE)
    (tmp_path / "broken.py").write_text("import no_such_thing")
    yield tmp_path
    for name in ("boutique", "a_company", "a_company.boutique", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "place", ["boutique:queue", "boutique:make", "boutique:Shop.queue", "a_company.boutique:queue"]
)
def test_a_queue_or_what_returns_one_is_found(place: str) -> None:
    assert isinstance(locate_queue(place), MemoryQueue)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("boutique", "'boutique' names no queue; write module:attribute, such as shop:queue"),
        (":queue", "':queue' names no queue"),
        ("boutique:", "'boutique:' names no queue"),
        ("butique:queue", "no module 'butique' in {here}; the nearest is boutique"),
        ("a_company.shop:queue", "no module 'shop' in a_company; the nearest is boutique"),
        ("boutique.deeper:queue", "no module 'deeper' in boutique"),
        ("no_such.deeper:queue", "no module 'no_such' in {here}"),
        ("boutique:queu", "no attribute 'queu' in boutique; the nearest is queue"),
        ("boutique:Shop.que", "no attribute 'que' in boutique; the nearest is queue"),
        ("boutique:queue.nme", "no attribute 'nme' in boutique"),
        ("boutique:needs", "boutique:needs cannot be called without arguments: missing a"),
        ("boutique:__name__", "boutique:__name__ is no queue, but str"),
        ("boutique:nothing", "boutique:nothing() returned no queue, but NoneType"),
        ("boutique:later", "boutique:later() returned no queue, but coroutine"),
        (".boutique:queue", "'.boutique:queue' names no queue"),
    ],
)
def test_what_is_not_there_is_said_with_the_nearest(here: Path, place: str, told: str) -> None:
    with pytest.raises(NoSuchQueue) as caught:
        locate_queue(place)
    assert str(caught.value).startswith(told.format(here=here))


def test_what_the_module_itself_lacks_is_its_own_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        locate_queue("broken:queue")
