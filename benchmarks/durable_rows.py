"""What `durable_queue.py` measures: a row for each contender and measure, by store.

OnCue's rows are the same on each store, but for MongoDB's stand-in, which is slow by itself.
"""

from dataclasses import dataclass, replace

ENQUEUE = "enqueue one by one from 100 callers, tasks a second"
ENQUEUE_ALONE = "enqueue one by one from one caller, tasks a second"
BULK = "enqueue 1000 a call, tasks a second"
DRAIN = "drain 20 000 (SecantusDB: 2 000) with one process, tasks a second"
LATENCY = "from enqueue to start, another process, 50 a second: median and 99th of 100, ms"
NEAR = "the same in one process, ms"
IDLE = "with nothing to do: percent of a processor, of the worker and of the server"
DEPTH = "drain 10 000 on top of more that wait, tasks a second"

TITLES = {
    "enqueue": ENQUEUE,
    "enqueue-1": ENQUEUE_ALONE,
    "bulk": BULK,
    "drain": DRAIN,
    "latency": LATENCY,
    "near": NEAR,
    "idle": IDLE,
    "claim": DEPTH,
}
LESS_IS_BETTER = ("latency", "near", "idle")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one contender; `loaded` tasks are waiting when it starts."""

    section: str
    measure: str
    contender: str
    loop: str
    count: int
    loaded: int = 0

    @property
    def library(self) -> str:
        return self.contender.partition(",")[0]

    @property
    def name(self) -> str:
        waiting = f", {self.loaded - self.count:,} waiting" if self.measure == "claim" else ""
        return f"{self.contender} ({self.loop}){waiting}"


LATENCY_TASKS = 250
IDLE_S = 4
DRAINED = 20_000
CLAIMED = 10_000
MONGODB_LOADED = 2_000
MONGODB_COUNTS = {
    "enqueue": 2_000,
    "bulk": 5_000,
    "drain": MONGODB_LOADED,
    "latency": LATENCY_TASKS,
    "near": LATENCY_TASKS,
    "idle": IDLE_S,
}
DEPTHS = (1_000, 1_000_000)

OURS = [
    *(Row("rates", "enqueue", "oncue", loop, 20_000) for loop in ("asyncio", "uvloop", "trio")),
    *(Row("rates", "bulk", "oncue", loop, 40_000) for loop in ("asyncio", "trio")),
    *(
        Row("rates", "drain", contender, loop, DRAINED, DRAINED)
        for contender in (
            "oncue",
            "oncue, 1000 workers",
            "oncue, no results",
            "oncue, 1000 workers, no results",
        )
        for loop in ("asyncio", "trio")
    ),
    *(Row("latency", "latency", "oncue", loop, LATENCY_TASKS) for loop in ("asyncio", "trio")),
    *(Row("latency", "near", "oncue", loop, LATENCY_TASKS) for loop in ("asyncio", "trio")),
    *(Row("idle", "idle", "oncue", loop, IDLE_S) for loop in ("asyncio", "trio")),
    *(
        Row("depth", "claim", "oncue", loop, CLAIMED, CLAIMED + depth)
        for loop in ("asyncio", "trio")
        for depth in DEPTHS
    ),
]
ON_POSTGRES = [
    Row("rates", "enqueue", "pgqueuer", "uvloop", 5_000),
    Row("rates", "enqueue", "chancy", "asyncio", 5_000),
    Row("rates", "enqueue", "oban", "uvloop", 5_000),
    Row("rates", "bulk", "pgqueuer", "uvloop", 40_000),
    Row("rates", "bulk", "chancy", "asyncio", 5_000),
    Row("rates", "bulk", "oban", "uvloop", 5_000),
    Row("rates", "drain", "pgqueuer", "uvloop", DRAINED, DRAINED),
    Row("rates", "drain", "pgqueuer, batch 1000", "uvloop", DRAINED, DRAINED),
    Row("rates", "drain", "chancy", "asyncio", DRAINED, DRAINED),
    Row("rates", "drain", "oban", "uvloop", DRAINED, DRAINED),
    Row("latency", "latency", "pgqueuer", "uvloop", LATENCY_TASKS),
    Row("latency", "latency", "chancy", "asyncio", LATENCY_TASKS),
    Row("latency", "latency", "oban", "uvloop", LATENCY_TASKS),
    Row("idle", "idle", "pgqueuer", "uvloop", IDLE_S),
    Row("idle", "idle", "chancy", "asyncio", IDLE_S),
    Row("idle", "idle", "oban", "uvloop", IDLE_S),
]
ON_SQLITE = [
    Row("rates", "enqueue", "huey", "asyncio", 10_000),
    Row("rates", "enqueue-1", "huey", "asyncio", 10_000),
    Row("rates", "enqueue-1", "oncue", "asyncio", 3_000),
    Row("rates", "drain", "huey", "asyncio", DRAINED, DRAINED),
    Row("rates", "drain", "huey, 4 threads", "asyncio", DRAINED, DRAINED),
    Row("latency", "latency", "huey", "asyncio", LATENCY_TASKS),
    # No hint crosses processes here, so what is polled for waits half the interval.
    Row("latency", "latency", "oncue, polls every 10 ms", "asyncio", LATENCY_TASKS),
    Row("latency", "latency", "oncue, polls every 10 ms", "trio", LATENCY_TASKS),
    Row("idle", "idle", "huey", "asyncio", IDLE_S),
    Row("idle", "idle", "oncue, polls every 10 ms", "asyncio", IDLE_S),
]

REDIS_LOOPS = {
    "arq": ("asyncio",),
    "saq": ("asyncio", "uvloop"),
    "taskiq-redis": ("uvloop",),
    "dramatiq": ("asyncio",),
    "streaq": ("asyncio", "uvloop", "trio"),
}
"""dramatiq has threads of its own, whatever the loop."""
ON_REDIS = [
    Row(section, measure, contender, loop, count, loaded)
    for section, measure, count, loaded in (
        ("rates", "enqueue", 10_000, 0),
        ("rates", "bulk", 20_000, 0),
        ("rates", "drain", DRAINED, DRAINED),
        ("latency", "latency", LATENCY_TASKS, 0),
        ("idle", "idle", IDLE_S, 0),
    )
    for contender, loops in REDIS_LOOPS.items()
    for loop in loops
    if measure != "bulk" or contender == "streaq"  # the others have no such call
] + [Row("rates", "drain", "dramatiq, 2 threads", "asyncio", DRAINED, DRAINED)]
ON_MONGODB = [
    replace(row, count=MONGODB_COUNTS[row.measure], loaded=min(row.loaded, MONGODB_LOADED))
    for row in OURS
    if row.measure in MONGODB_COUNTS
]
"""OnCue alone: there is no queue of others to put beside it there."""

PEERS = ("pgqueuer", "chancy", "oban", "huey", *REDIS_LOOPS)
