"""The documentation site: MyST pages, and the reference read from the docstrings.

Docstrings here are plain prose: `code` in single backticks, an example indented by four.
Sphinx reads reStructuredText, so the default role says the former is code, and
`mark_examples` says the latter is.
"""

import logging
import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

project = "OnCue"
copyright = "The OnCue authors"
version = release = version_of("oncue")

sys.path.insert(0, str(Path(__file__).parent))
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "settings_directive"]
exclude_patterns = ["_build"]
default_role = "literal"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "imported-members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

# A folder of pages may be empty. Sphinx gives this warning a subtype but no type, so that
# `suppress_warnings` cannot name it.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

html_theme = "furo"
html_title = f"OnCue {version}"

LIST_ITEM = re.compile(r"\s*([-*]|\d+\.) ")


def mark_examples(_app: Sphinx, _kind: str, _name: str, _object: object, _options: object,
                  lines: list[str]) -> None:  # fmt: skip
    """Put the `::` of a literal block before each indented paragraph that no list owns."""
    marked: list[str] = []
    above = ""
    for line in lines:
        begins = bool(above) and bool(marked) and not marked[-1].strip()
        if begins and _indent(line) >= _indent(above) + 4 and not LIST_ITEM.match(above):
            marked += [" " * _indent(above) + "::", ""]
        marked.append(line)
        above = line if line.strip() else above
    lines[:] = marked


def skip_others(_app: Sphinx, _kind: str, _name: str, found: object, skip: bool,
                _options: object) -> bool:  # fmt: skip
    """Of what a module imports, only what is ours is part of its face."""
    home = getattr(found, "__module__", None)
    return skip or not (home is None or home.split(".")[0] == "oncue")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", mark_examples)
    app.connect("autodoc-skip-member", skip_others)
