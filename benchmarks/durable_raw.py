"""What is below a durable queue: its database by itself, through a driver, on one connection.

    python benchmarks/durable_raw.py URL     # an empty database; prints "name: number" lines

Claim and delete, as a queue does it: a batch is taken off an index in order of priority and marked,
with a commit; then it is deleted, with another. The numbers are rows a second, but for commands
and writes.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from time import perf_counter

from servers import path_in

BATCHES = (1, 10, 100, 1000)
SECONDS = 0.7
"""How long each goes on, or until its rows are gone."""
PAYLOAD = "{}" * 50
POSTGRES_ROWS = 40_000
SQLITE_ROWS = 80_000

TABLE = """CREATE TABLE task (
    id BIGINT PRIMARY KEY, state SMALLINT NOT NULL, priority SMALLINT NOT NULL,
    payload TEXT NOT NULL)"""
INDEX = "CREATE INDEX task_due ON task (priority, id) WHERE state = 0"


def postgres_limits(url: str) -> Iterator[tuple[str, float]]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:

        def select(_batch: int) -> int:
            connection.execute("SELECT 1").fetchall()
            return 1

        def insert(batch: int) -> int:
            nonlocal last
            ids = list(range(last + 1, last + 1 + batch))
            last = ids[-1]
            connection.execute(
                "INSERT INTO task SELECT id, 0, 5, payload"
                " FROM unnest(%s::bigint[], %s::text[]) AS new (id, payload)",
                (ids, [PAYLOAD] * batch),
            )
            return batch

        def claim(batch: int) -> int:
            rows = connection.execute(
                "UPDATE task SET state = 1 WHERE id IN (SELECT id FROM task WHERE state = 0"
                " ORDER BY priority, id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id, payload",
                (batch,),
            ).fetchall()
            if rows:
                connection.execute(
                    "DELETE FROM task WHERE id = ANY(%s)", ([row[0] for row in rows],)
                )
            return len(rows)

        last = 0
        yield "PostgreSQL, SELECT 1", per_second(select, 1)
        for batch in BATCHES:
            connection.execute("DROP TABLE IF EXISTS task")
            connection.execute(TABLE)
            connection.execute(INDEX)
            yield f"PostgreSQL, insert {batch} a commit", per_second(insert, batch)
        for batch in BATCHES:
            connection.execute("TRUNCATE task")
            connection.execute(
                "INSERT INTO task SELECT id, 0, 5, %s FROM generate_series(1, %s) AS new (id)",
                (PAYLOAD, POSTGRES_ROWS),
            )
            connection.execute("VACUUM (ANALYZE) task")
            yield f"PostgreSQL, claim and delete {batch}", per_second(claim, batch)


def sqlite_limits(url: str) -> Iterator[tuple[str, float]]:
    yield "append 4 KB and fdatasync", fdatasync_rate(url)
    with closing(sqlite3.connect(path_in(url), isolation_level=None)) as connection:

        def insert(batch: int) -> int:
            nonlocal last
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO task VALUES (?, 0, 5, ?)",
                ((number, PAYLOAD) for number in range(last + 1, last + 1 + batch)),
            )
            connection.execute("COMMIT")
            last += batch
            return batch

        def claim(batch: int) -> int:
            connection.execute("BEGIN IMMEDIATE")
            rows = connection.execute(
                "UPDATE task SET state = 1 WHERE id IN (SELECT id FROM task WHERE state = 0"
                " ORDER BY priority, id LIMIT ?) RETURNING id, payload",
                (batch,),
            ).fetchall()
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM task WHERE id = ?", ((row[0],) for row in rows))
            connection.execute("COMMIT")
            return len(rows)

        last = 0
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(TABLE)
        connection.execute(INDEX)
        for synchronous in ("FULL", "NORMAL"):
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            for batch in BATCHES:
                name = f"SQLite {synchronous}, insert {batch} a commit"
                yield name, per_second(insert, batch)
            for batch in BATCHES:
                connection.execute("DELETE FROM task")
                last = 0
                insert(SQLITE_ROWS)
                name = f"SQLite {synchronous}, claim and delete {batch}"
                yield name, per_second(claim, batch)


def fdatasync_rate(url: str) -> float:
    page = bytes(4096)
    file = os.open(path_in(url).with_suffix(".raw"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def append(_batch: int) -> int:
        os.write(file, page)
        os.fdatasync(file)
        return 1

    try:
        return per_second(append, 1)
    finally:
        os.close(file)


def per_second(do: Callable[[int], int], batch: int) -> float:
    began = perf_counter()
    done = 0
    while (took := perf_counter() - began) < SECONDS:
        if not (now := do(batch)):
            break
        done += now
    return done / took


if __name__ == "__main__":
    limits = postgres_limits if sys.argv[1].startswith("postgresql") else sqlite_limits
    for name, figure in limits(sys.argv[1]):
        print(f"{name}: {figure}", flush=True)
