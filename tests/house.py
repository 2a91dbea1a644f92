"""The house rules that a machine can judge. Each returns its violations, `path:line: why`.

A rule takes `Source`s rather than the project, so that test_house.py can show it one that
breaks it: a rule that was never seen to fail is none.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PARTS = ("runtime", "stores", "actors")

MAY_IMPORT = {
    "runtime": {"runtime"},
    "stores": {"stores"},
    "actors": {"actors", "runtime", "stores"},
}

SEAMS = {
    "oncue/testing/_schedule.py",  # trio's scheduler, told by a seed
    "oncue/testing/_virtual.py",  # the virtual loops
    "stores/redis/_keeper.py",  # a task of the loop's own
}

FILE_LINES_MAX = 400
CLASS_LINES_MAX = 350
FUNCTION_LINES_MAX = 70  # TIGER_STYLE

CHANCE_MODULES = {"time", "random", "secrets"}
CHANCE_NAMES = {
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "os.urandom",
    "uuid.uuid1",
    "uuid.uuid4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: its path from the project's root, and what it says."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> tuple[str, ...]:
        """Its dotted name as installed: runtime/_ref.py is oncue.runtime._ref."""
        parts = self.path.removesuffix(".py").removesuffix("/__init__").split("/")
        return tuple(parts if parts[0] == "oncue" else ["oncue", *parts])

    @property
    def package(self) -> tuple[str, ...]:
        """What a leading dot stands for in it."""
        return self.module if self.path.endswith("__init__.py") else self.module[:-1]


def read_sources(root: Path, folders: Iterable[str]) -> list[Source]:
    """Every Python file in the folders; links are not followed, so each is read once."""
    return [
        Source(path=path.relative_to(root).as_posix(), text=path.read_text())
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported name: `from ..a import b` in oncue.x.y is oncue.a and b."""

    line: int
    module: tuple[str, ...]
    name: str | None
    relative: bool

    @property
    def target(self) -> tuple[str, ...]:
        return (*self.module, self.name) if self.name else self.module


def imports_of(source: Source, nodes: Iterable[ast.AST]) -> Iterator[Import]:
    """The imports among the nodes, relative ones resolved."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = tuple(alias.name.split("."))
                yield Import(line=node.lineno, module=module, name=None, relative=False)
        elif isinstance(node, ast.ImportFrom):
            above = source.package[: len(source.package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield Import(
                    line=node.lineno, module=module, name=alias.name, relative=node.level > 0
                )


def imports_against_the_way(sources: Iterable[Source]) -> list[str]:
    """oncue -> actors -> {runtime, stores}; inside the three, relative imports only."""
    return [
        f"{source.path}:{found.line}: {complaint}"
        for source in sources
        for found in imports_of(source, ast.walk(source.tree))
        if (complaint := _against_the_way(source, found))
    ]


def _against_the_way(source: Source, found: Import) -> str | None:
    target = ".".join(found.target)
    if not found.relative and found.target[0] in PARTS:
        return f"{target} is only there inside the checkout; say oncue.{target}"
    part = source.path.split("/")[0]
    if part not in MAY_IMPORT or found.target[0] != "oncue":
        return None
    if not found.relative:
        return f"{target}: only relative imports inside {part}/"
    if found.target[1] not in MAY_IMPORT[part]:
        return f"{part} may not import {target}"
    return None


def import_cycles(sources: Iterable[Source]) -> list[str]:
    """No cycle among the imports that run when a module is loaded."""
    files = {source.module: source for source in sources}
    graph = {
        module: {
            target
            for found in imports_of(source, _when_loaded(source.tree))
            if (target := found.target if found.target in files else found.module) in files
        }
        for module, source in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[tuple[str, ...]] = error.args[1]
        return [" <- ".join(".".join(module) for module in cycle)]
    return []


def _when_loaded(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _when_loaded(child)


def chance_outside_the_ports(sources: Iterable[Source]) -> list[str]:
    """Time, ids and randomness come in by files named for the clock, and the test kit.

    `anyio.current_time` is no chance: it is the loop's, and virtual when the loop is.
    """
    return [
        f"{source.path}:{line}: {name} belongs behind Clock or Entropy"
        for source in sources
        if "clock" not in Path(source.path).stem and not source.path.startswith("oncue/testing/")
        for line, name in sorted(_chances(source))
    ]


def _chances(source: Source) -> Iterator[tuple[int, str]]:
    for found in imports_of(source, ast.walk(source.tree)):
        if found.module[0] in CHANCE_MODULES or ".".join(found.target) in CHANCE_NAMES:
            yield found.line, ".".join(found.target)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            name = ".".join(ast.unparse(node).split(".")[-2:])
            if name in CHANCE_NAMES:
                yield node.lineno, name


def loops_outside_the_seams(sources: Iterable[Source]) -> list[str]:
    """Everything but the seams speaks to anyio only."""
    return [
        f"{source.path}:{found.line}: imports {found.module[0]}; use anyio"
        for source in sources
        if source.path not in SEAMS
        for found in imports_of(source, ast.walk(source.tree))
        if found.module[0] in {"asyncio", "trio", "uvloop"}
    ]


def oversized(sources: Iterable[Source]) -> list[str]:
    """Files, classes and functions that fit a head."""
    return [complaint for source in sources for complaint in _oversized(source)]


def _oversized(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{source.path}:1: {lines} lines, at most {FILE_LINES_MAX}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            most = CLASS_LINES_MAX
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            most = FUNCTION_LINES_MAX
        else:
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > most:
            yield f"{source.path}:{node.lineno}: {node.name} has {lines} lines, at most {most}"
