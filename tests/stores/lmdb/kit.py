"""Programs that use the store of examples/oncue-lmdb in processes of their own."""

import subprocess
import sys
from pathlib import Path
from textwrap import indent

from tests.trees import ROOT

PROGRAM = """\
import os, signal, sys
from uuid import UUID
import anyio
from oncue.stores import *
from oncue.testing._store_kit import Claimer, done, ids, make_row
from oncue_lmdb import LmdbStore
from oncue_lmdb._tx import Tx

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store = LmdbStore(sys.argv[1], sync=False, map_size=16 * 1024**2)
    await store.open()
{body}

anyio.run(main, backend={backend!r})
"""


def start(folder: Path, body: str, backend: str = "asyncio") -> "subprocess.Popen[str]":
    """A process that runs `body`, lines of an async function, on `store`."""
    program = PROGRAM.format(body=indent(body, "    "), backend=backend)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, body: str) -> tuple[int, str]:
    """What it returned, and printed."""
    with start(folder, body) as process:
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return process.returncode, out
