"""Refuses to build from a checkout without links; everything else is in pyproject.toml.

oncue/runtime, oncue/actors and oncue/stores are symbolic links. Git on Windows writes them
as small text files unless it may create links, and the wheel would lack all three.
"""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent

missing = [
    name
    for name in ("runtime", "actors", "stores")
    if not (HERE / "oncue" / name / "__init__.py").is_file()
]
if missing:
    raise SystemExit(
        f"oncue/{', oncue/'.join(missing)}: no folder, so this checkout has no symbolic links. "
        "Allow them (on Windows: developer mode, then `git config core.symlinks true`) and run "
        "`git checkout -- oncue`, or install the wheel instead."
    )

setup()
