"""The programs of examples/ do what they say."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import anyio
import httpx
import pytest

from tests.oncue.kit import Folder
from tests.trees import ROOT

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
LIMIT_S = 30.0


@pytest.mark.real_time
async def test_the_web_service_counts_after_it_has_answered(folder: Folder) -> None:
    from examples.web import app

    folder.write("queue.yaml", "queue: {max_tasks_per_queue: 2}")
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        accepted = await client.post("/texts", json={"text": "To be or not to be"})
        assert accepted.status_code == 202
        with anyio.fail_after(LIMIT_S):
            await app.state.queue.wait(accepted.json()["id"])
        counted = await client.get(accepted.headers["location"])
        assert counted.json() == {
            "status": "completed",
            "words": 6,
            "most_common": [["to", 2], ["be", 2], ["or", 1]],
        }
        assert (await client.post("/texts", json={"txt": ""})).status_code == 422
        nowhere = "/texts/00000000-0000-0000-0000-000000000000"
        assert (await client.get(nowhere)).status_code == 404

        await app.state.queue.pause_queue("texts")
        answers = [await client.post("/texts", json={"text": "x"}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert "max_tasks_per_queue" in answers[-1].json()["error"]
        assert (await client.get("/health")).status_code == 200
    assert not app.state.queue.running


def test_the_nursery_prints_what_sha256sum_would(tmp_path: Path) -> None:
    texts = {f"{n:03}": f"file {n}\n".encode() * n for n in range(120)}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    (tmp_path / "050-nowhere").symlink_to("no such file")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "nursery.py", tmp_path],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        f"{hashlib.sha256(text).hexdigest()}  {tmp_path / name}" for name, text in texts.items()
    ]
    assert f"{tmp_path / '050-nowhere'}: FileNotFoundError" in done.stderr
    assert done.returncode == 1


@pytest.fixture
def counters(backend: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The kernel's example, running on a free port. It is killed when it hangs."""
    with subprocess.Popen(
        [sys.executable, ROOT / "examples" / "kernel.py", "0", backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    ) as process:
        watchdog = Timer(LIMIT_S, process.kill)
        watchdog.start()
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rpartition(" ")[2])
        process.kill()
        watchdog.cancel()


@BACKENDS
def test_the_counters_count_crash_and_come_back(
    counters: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = counters
    with socket.create_connection(("localhost", port), LIMIT_S) as first, first.makefile("rw") as a:
        with socket.create_connection(("localhost", port), LIMIT_S) as other:
            other.sendall(b"no line")  # and hangs up

        def say(line: str) -> str:
            print(line, file=a, flush=True)
            return a.readline().rstrip()

        assert say("add apples 3") == "3"
        assert say("add pears 1") == "1"
        assert say("add apples x").startswith("error: ValueError: invalid literal")
        assert say("add apples 1") == "4"
        assert say("add ../up 1") == say("what") == "error: say `add NAME NUMBER` or `tree`"
        tree = [say("tree"), *(a.readline().rstrip() for _ in range(3))]
        assert tree[2].startswith("    ├── apples  running")
        assert "1 restarts" in tree[2]
        assert tree[3].startswith("    └── pears  running")
        assert "restarts" not in tree[3]
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 0
