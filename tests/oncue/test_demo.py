"""`oncue demo` on real folders: its counts against the file system's."""

import contextlib
import ctypes
import os
import re
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

import pytest

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24
SOURCE = "class A:\n    def f(self): ...\n\nasync def g():\n    def h(): ...\n"


def become_unprivileged() -> None:
    """Root reads everything; without these two capabilities a file mode means something."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


def demo(*args: str) -> tuple[int, dict[str, str], str]:
    """Run the command; its exit status, its table, and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "oncue", "demo", *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        preexec_fn=become_unprivileged,
    )
    output = done.stdout + done.stderr
    return done.returncode, table(done.stdout), output


def table(output: str) -> dict[str, str]:
    """The rows of the table at the end: name and number."""
    rows = re.findall(r"^ +(\S[\S ]*?) {2,}([\d.]+) *$", output, re.MULTILINE)
    return dict(rows)


def found(root: Path | str) -> int:
    """How many files `find` finds."""
    listed = subprocess.run(
        ["find", str(root), "-type", "f", "-print0"], capture_output=True, check=True
    )
    return listed.stdout.count(b"\0")


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """Files of every kind that a folder can hold, and things that are no files."""
    root = tmp_path / "odd"
    deep = root / "deep" / "deeper"
    deep.mkdir(parents=True)
    (root / "empty").write_bytes(b"")
    (root / "empty.py").write_bytes(b"")
    (root / "text.txt").write_text("one\ntwo\nthree")
    (root / "binary").write_bytes(bytes(range(256)) * 100)
    (root / "source.py").write_text(SOURCE)
    (deep / "source.py").write_text(SOURCE)
    (root / "broken.py").write_text("def f(:\n")
    (root / "nul.py").write_bytes(b"x = 1\0\n")
    (root / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    (root / "secret").write_text("nobody may read this")
    (root / "secret").chmod(0)
    for name in (b"\xff\xfe.py", b"new\nline.py", b"%41 #?.py", b"-rf", "ünïcode".encode()):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_text(SOURCE)
    with open(root / "huge", "wb") as huge:
        huge.truncate(200 << 20)
    (root / "link").symlink_to(root / "text.txt")
    os.mkfifo(root / "fifo")
    return root


@BACKENDS
def test_every_file_is_counted_once_whatever_it_is(odd_folder: Path, backend: str) -> None:
    """Readable files end as results, the others as dead letters by reason; none is lost."""
    status, rows, output = demo(str(odd_folder), "--backend", backend, "--workers", "4")
    assert status == 0, output
    assert int(rows["files"]) == found(odd_folder) == 16
    assert int(rows["functions"]) == 3 * 5
    assert int(rows["classes"]) == 5
    assert int(rows["dead letters"]) == 4, output
    assert int(rows["PermissionError"]) == 1
    # Until Python 3.11.4 a NUL in a source was a ValueError.
    assert int(rows["SyntaxError"]) + int(rows.get("ValueError", 0)) == 3, output
    assert int(rows["retries"]) == 2 * 4, "each of the dead was retried twice"
    sizes = {p: p.lstat().st_size for p in odd_folder.rglob("*") if S_ISREG(p.lstat().st_mode)}
    dead = {"secret", "broken.py", "nul.py", "latin.py"}
    assert int(rows["bytes"]) == sum(size for p, size in sizes.items() if p.name not in dead)


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("ONCUE_TEST_LONG"),
    reason="a standard library with packages in it takes minutes: ONCUE_TEST_LONG=1",
)
def test_the_standard_library_has_as_many_files_as_find_says() -> None:
    """The default folder, with nothing left out. The other tests run on both."""
    status, rows, output = demo("--backend", "trio")
    assert status == 0, output
    assert int(rows["files"]) == found(sysconfig.get_path("stdlib"))
    assert int(rows["functions"]) > 10_000
    assert int(rows["files"]) == ended(rows)


@BACKENDS
def test_a_part_of_the_standard_library(backend: str) -> None:
    """Some hundred real files, sources and others."""
    root = Path(sysconfig.get_path("stdlib")) / "email"
    status, rows, output = demo(str(root), "--backend", backend)
    assert status == 0, output
    assert int(rows["files"]) == int(rows["completed"]) == found(root)
    assert int(rows["functions"]) > 300


@BACKENDS
def test_ctrl_c_drains_and_says_what_was_not_run(backend: str) -> None:
    """The exit status is 130, and done + dead + not run are all the files enqueued."""
    with subprocess.Popen(
        [sys.executable, "-m", "oncue", "demo", "--backend", backend],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        output = read_until(process.stdout.readline, r"^[1-9]\d* of \d+ files")
        # To the whole group, as a terminal does it.
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output + rest
    rows = table(rest)
    assert "Traceback" not in rest, rest
    assert int(rows["not run"]) > 0, rest
    assert int(rows["files"]) == ended(rows) + int(rows["not run"])
    assert int(rows["bytes"]) > 0


@pytest.mark.slow
@BACKENDS
def test_killed_and_started_again_on_a_store_it_goes_on_and_its_totals_are_right(
    backend: str, tmp_path: Path
) -> None:
    """Killed twice, the whole process group; the third finishes, and the fourth is a new run."""
    root = tmp_path / "files"
    root.mkdir()
    for number in range(1000):
        (root / f"{number}.txt").write_text("line\n" * number)
    (root / "source.py").write_text(SOURCE)
    (root / "broken.py").write_text("def f(:\n")
    store = f"sqlite:///{tmp_path}/demo.db"
    arguments = (str(root), "--backend", backend, "--workers", "4", "--store", store)
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-m", "oncue", "demo", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            read_until(process.stdout.readline, r"^examining")
            wait_for_results(tmp_path / "demo.db")
            os.killpg(process.pid, signal.SIGKILL)
    status, rows, output = demo(*arguments)
    assert status == 0, output
    assert "going on with a run that was not finished" in output
    assert int(rows["files"]) == ended(rows) == found(root)
    assert int(rows["lines"]) == sum(range(1000)) + SOURCE.count("\n")
    assert (int(rows["dead letters"]), int(rows["SyntaxError"])) == (1, 1), output
    status, rows, output = demo(*arguments)
    assert (status, int(rows["files"])) == (0, found(root))
    assert "going on" not in output


def wait_for_results(database: Path) -> None:
    """Until more results than before are there."""
    deadline = time.monotonic() + 60
    before: int | None = None
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.OperationalError):
            connection = sqlite3.connect(database)
            (count,) = connection.execute(
                "SELECT count(*) FROM apscheduler_jobs_results"
            ).fetchone()
            connection.close()
            if before is None:
                before = count
            elif count > before + 100:
                return
        time.sleep(0.01)
    raise AssertionError("it did not come on")


def ended(rows: dict[str, str]) -> int:
    return int(rows["completed"]) + int(rows["dead letters"])


def read_until(readline: Callable[[], str], pattern: str) -> str:
    """What was printed up to the line that matches."""
    output = ""
    while line := readline():
        output += line
        if re.search(pattern, line):
            return output
    raise AssertionError(f"no line matches {pattern!r} in {output!r}")


def test_a_folder_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    """Exit status 2, and a sentence that names it."""
    status, _, output = demo(str(tmp_path / "nowhere"))
    assert status == 2
    assert "nowhere is no folder" in re.sub(r"\s+", " ", output)
