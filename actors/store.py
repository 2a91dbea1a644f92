"""The store's actor: its mailbox, batched, is the next transaction (group commit).

While one call to the store runs, requests pile up; the next call takes them all. Each asker
is answered only after the store has answered, and one bad row fails its own asker alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from ..runtime import Actor, Envelope
from ..stores import Store, StoreBusy, StoreUnavailable
from .log import emit, traceback_of
from .messages import (
    Add,
    Count,
    Edit,
    Exchange,
    Find,
    Heartbeat,
    Join,
    Leave,
    ListNodes,
    ListQueues,
    Reconcile,
    Remove,
    Rescue,
    StoreMessage,
)
from .planning import (
    ChangeSchedules,
    DueSchedules,
    FindSchedules,
    FireSchedules,
)

T = TypeVar("T")

LOOKS = (Find, Count, ListQueues, ListNodes, DueSchedules, FindSchedules)
"""What changes nothing, so that no crash is needed to be sure of what it has done."""
_BUSY_MAX: Final = 2
"""How many of a batch wait for a lock in vain before the others are not tried."""


class StoreActor(Actor[StoreMessage]):
    """Serves one `Store`, which it borrows: the rows outlive a crash of this actor.

    It calls `on_opened`, which may refuse by raising, and `on_closed`.
    """

    def __init__(
        self,
        store: Store,
        *,
        on_opened: Callable[[], None] = lambda: None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._on_opened = on_opened
        self._on_closed = on_closed

    async def on_start(self) -> None:
        self._is_open = False
        try:
            await self._open()
        except StoreUnavailable:
            if self.context.generation == 1:
                raise  # nobody has used it yet; from then on, to be out of reach is a state
        self._on_opened()

    async def _open(self) -> None:
        await self._store.open()
        self._is_open = True

    async def on_stop(self, reason: Exception | None) -> None:
        await self._store.close()
        self._on_closed()

    async def receive_batch(self, batch: list[Envelope]) -> None:
        if not self._is_open:
            try:
                await self._open()
            except StoreUnavailable as error:
                for envelope in batch:
                    envelope.fail(error)
                return
        adds = [(e, e.message.rows) for e in batch if isinstance(e.message, Add)]
        edits = [(e, e.message.changes) for e in batch if isinstance(e.message, Edit)]
        # What producers brought is stored before the pool looks for work.
        if adds:
            await grouped(self._store.add, adds)
        if edits:
            await grouped(self._store.edit, edits)
        for envelope in batch:
            if not isinstance(envelope.message, (Add, Edit)):
                await self._serve(envelope)

    async def _serve(self, envelope: Envelope) -> None:
        try:
            envelope.reply(await self._call(envelope.message))
        except (StoreUnavailable, ValueError, TypeError) as error:
            # The last two are the asker's fault: a limit below 0, a name that is no string.
            envelope.fail(error)
        except Exception as error:
            look = envelope.message
            if not isinstance(look, LOOKS):
                raise
            emit("error", "look_failed", exception=traceback_of(error))
            doing = f"{type(look).__name__}: {error!r}"
            failure = StoreUnavailable(type(self._store).__name__, doing)
            failure.__cause__ = error
            envelope.fail(failure)

    async def _call(self, message: object) -> object:
        store = self._store
        match message:
            case Exchange(settlements=settlements, claims=claims, survey=survey):
                return await store.exchange(settlements, claims, survey=survey)
            case Find(query=query):
                return await store.find(query)
            case Count(queue_name=queue_name):
                return await store.count(queue_name)
            case ListQueues():
                return await store.queues()
            case Remove(what=what):
                return await store.purge(what)
            case Heartbeat(beats=beats):
                return await store.heartbeat(beats)
            case Reconcile(node=node, incarnation=incarnation, held=held):
                return await store.reconcile(node, incarnation, held)
            case Rescue(node=node, first_lease=first, limit=limit):
                return await store.rescue(node, first, limit)
            case Join(node=node, beat_s=beat_s, restarted=restarted):
                return await store.join(node, beat_s=beat_s, restarted=restarted)
            case Leave(node=node, incarnation=incarnation):
                return await store.leave(node, incarnation)
            case ListNodes():
                return await store.nodes()
            case DueSchedules(limit=limit, after=after):
                return await store.due(limit, after)
            case FireSchedules(fires=fires):
                return await store.fire(fires)
            case ChangeSchedules(changes=changes):
                return await store.plan(changes)
            case FindSchedules(job_ids=ids, limit=limit, after=behind):
                return await store.schedules(ids, limit=limit, after=behind)
            case _:
                raise TypeError(f"the store's actor takes no {type(message).__name__}")


async def grouped(
    call: Callable[[Sequence[T]], Awaitable[Sequence[object]]],
    requests: Sequence[tuple[Envelope, Sequence[T]]],
) -> bool:
    """One call for all requests; each is answered with the outcomes of its own items.

    False when a lock that was not had in time is why they failed.
    """
    items = requests[0][1] if len(requests) == 1 else [i for _, part in requests for i in part]
    try:
        outcomes = await call(items)
    except StoreUnavailable as error:
        is_busy = isinstance(error, StoreBusy)
        if is_busy and len(requests) > 1:
            await _one_by_one(call, requests, error)
        else:
            for envelope, _ in requests:
                envelope.fail(error)
        return not is_busy
    except (ValueError, TypeError) as error:
        # Somebody's fault, and nothing was changed: the others shall not pay for it.
        if len(requests) == 1:
            requests[0][0].fail(error)
        else:
            for request in requests:
                await grouped(call, [request])
        return True
    start = 0
    for envelope, part in requests:
        envelope.reply(outcomes[start : start + len(part)])
        start += len(part)
    return True


async def _one_by_one(
    call: Callable[[Sequence[T]], Awaitable[Sequence[object]]],
    requests: Sequence[tuple[Envelope, Sequence[T]]],
    error: StoreUnavailable,
) -> None:
    """Whom a lock stops fails alone; but each waits for it, so after a few of them all fail."""
    busy = 0
    for request in requests:
        if busy < _BUSY_MAX:
            busy += not await grouped(call, [request])
        else:
            request[0].fail(error)
