"""Where processor time goes: a look at the stack every few milliseconds of it.

    with sampled(PARTS) as seen:
        ...
    seen.print(one_us=48.0)     # shares of what one task took

Each look counts for the file on top, and for the part of a task's way that the stack is in. PARTS
says which, by function or by a part of a path; from the innermost frame on, the first one holds.
What takes time in another thread is seen as what the main thread does meanwhile.
"""

import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SAMPLE_S = 0.001
"""What is asked for; Linux looks at most once a tick, which is 1 to 4 ms."""
ROWS_MAX = 20
SHARE_MIN = 0.01
WAY = {
    "encode_task": "TaskData to row",
    "decode_task": "row to TaskData, for the handler",
    "FunctionHandler.argument": "the handler's argument",
    "encode_result": "result to JSON",
    "execute": "calling the handler",
    "decide": "deciding the settlement",
    "enter_task": "the task's context",
    "Worker._run": "worker: one attempt",
    "Worker._conclude": "worker: one attempt",
    "Worker._run_until_cut": "worker: one attempt",
    "Worker.receive": "worker: one hand",
    "StoreActor.receive_batch": "store's actor",
    "Pool._record": "pool: record what ended",
    "Pool.receive_batch": "pool",
    "QueueActor.receive_batch": "queue's actor: admission",
    "QueueClient.enqueue": "client: enqueue, and its ask",
    "QueueClient.enqueue_many": "client: enqueue_many",
}
"""A task's way through OnCue, whatever the store."""
KERNEL = {"/runtime/": "kernel: mailboxes, asks, cells"}


class Seen:
    """`parts` are names of functions, which win, and `places` parts of paths."""

    def __init__(self, parts: Mapping[str, str], places: Mapping[str, str]) -> None:
        self._parts = parts
        self._places = places
        self.by_part: Counter[str] = Counter()
        self.by_file: Counter[str] = Counter()

    def look(self, frame: FrameType | None) -> None:
        self.by_part[self._part_of(frame)] += 1
        if frame is not None:
            self.by_file["/".join(Path(frame.f_code.co_filename).parts[-2:])] += 1

    def _part_of(self, frame: FrameType | None) -> str:
        place = ""
        while frame is not None:
            code = frame.f_code
            if code.co_qualname in self._parts:
                return self._parts[code.co_qualname]
            if not place:
                named = (self._places[each] for each in self._places if each in code.co_filename)
                place = next(named, "")
            frame = frame.f_back
        return place or "event loop, and what else"

    def print(self, *, one_us: float) -> None:
        total = self.by_part.total()
        print(f"  {total} samples")
        for title, counted in ("by part", self.by_part), ("by file on top", self.by_file):
            print(f"  {title}")
            for what, samples in counted.most_common(ROWS_MAX):
                if (share := samples / total) >= SHARE_MIN:
                    print(f"    {share * one_us:5.2f} us {share:5.0%}  {what}")


@contextmanager
def sampled(parts: Mapping[str, str], places: Mapping[str, str] = KERNEL) -> Iterator[Seen]:
    seen = Seen(parts, places)

    def look(_signal: int, frame: FrameType | None) -> None:
        seen.look(frame)

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
