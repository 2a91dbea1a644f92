"""A settings folder in a directory of its own, settings with every kind of value, and a site."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import BaseModel

from oncue import SettingsError, depends
from oncue.adapters.memory import MemorySettings
from oncue.settings import QueueSettings, read_queue_settings


class Folder:
    """A current directory whose `settings/` a test fills, in a clean environment."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(root)
        for name in os.environ:
            if name.startswith(("ONCUE_SETTINGS", "ONCUE_QUEUE")):
                monkeypatch.delenv(name)
        depends.clear()

    def write(self, name: str, text: str, *, below: str = "settings") -> Path:
        """Write a file, indentation taken off."""
        path = self.root / below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def setenv(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)


class Site:
    """A folder of installed distributions, on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(self, distribution: str, module: str, text: str, entry_points: str) -> None:
        """Install a distribution with one module, as pip would."""
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(dedent(text))
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(entry_points)
        invalidate_caches()


@contextmanager
def site_packages(root: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Site]:
    """A site of this test's own, below `root`."""
    site = Site(root / "site-packages")
    site.folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(site.folder), *sys.path])
    yield site
    for module in site.modules:
        sys.modules.pop(module, None)


class Pool(BaseModel):
    size: int = 5
    depth: int = 1


class BoxSettings(QueueSettings):
    """With what the memory queue's have not: text, nested values, a nested model."""

    url: str = "box://"
    secret: str | None = None
    options: dict[str, int] | None = None
    names: tuple[str, ...] = ()
    pool: Pool | None = None


def failure(model: type[QueueSettings] = MemorySettings) -> SettingsError:
    """What reading the settings raises."""
    with pytest.raises(SettingsError) as caught:
        read_queue_settings(model)
    return caught.value
