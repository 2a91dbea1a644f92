"""The wheel holds the three parts under `oncue`, whole, and nothing else at the top."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house import PARTS
from tests.trees import ROOT, copy_tree

pytestmark = pytest.mark.slow

PROGRAM = """\
import importlib, importlib.util, json, pkgutil
import oncue
names = [found.name for found in pkgutil.walk_packages(oncue.__path__, "oncue.")]
for name in ("oncue.runtime", "oncue.actors", "oncue.stores"):
    importlib.import_module(name)
print(json.dumps({
    "home": oncue.__file__,
    "names": names,
    "bare": [n for n in ("runtime", "actors", "stores") if importlib.util.find_spec(n)],
}))
"""


def uv(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run uv, which `uv run` names in UV even where it is not on the path."""
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "these tests need uv: python3 -m pip install uv"
    return subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy of the tree, where no older build can lend it a file."""
    tree = copy_tree(tmp_path_factory.mktemp("build") / "tree")
    done = uv("build", "--wheel", "--quiet", "--out-dir", "out", cwd=tree)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tree / "out").glob("*.whl")
    return wheel


def test_the_wheel_holds_every_file_of_the_four_folders(wheel: Path) -> None:
    ours = {
        ("" if folder == "oncue" else "oncue/") + path.relative_to(ROOT).as_posix()
        for folder in ("oncue", *PARTS)
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == ours


def test_the_wheel_installs_and_the_parts_live_under_oncue_only(
    wheel: Path, tmp_path: Path
) -> None:
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = uv(
        "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel),
        cwd=tmp_path,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    # What oncue depends on is lent by this environment, with a path alone: no .pth file of
    # ours, hence not the editable oncue, is read through it.
    lent = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    borrowed = [entry for entry in sys.path if entry.endswith("site-packages")]
    (Path(lent) / "lent.pth").write_text("\n".join(borrowed))

    done = subprocess.run(
        [python, "-I", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert Path(told["home"]).is_relative_to(home.resolve())
    assert told["bare"] == []
    assert {"oncue.runtime._clock", "oncue.testing", "oncue.stores"} <= set(told["names"])


def test_a_checkout_without_links_does_not_build(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    link = tree / "oncue" / "stores"
    target = link.readlink()
    link.unlink()
    link.write_text(str(target))  # as git writes it where it may not link
    done = uv("build", "--wheel", cwd=tree)
    assert done.returncode != 0
    assert "oncue/stores: no folder, so this checkout has no symbolic links" in done.stderr
