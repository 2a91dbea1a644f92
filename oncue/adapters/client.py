"""What can be asked of a running queue: tasks, queues, dead letters, the same for every adapter.

Each call is an ask of one of the queue's actors; nothing is kept here.
"""

from collections.abc import Iterable
from contextlib import suppress
from math import inf
from typing import Any
from uuid import UUID

from anyio import get_cancelled_exc_class

from oncue.actors import (
    Job,
    MemoryLimitExceeded,
    QueueFull,
    QueueNotRunning,
    RateLimitExceeded,
)
from oncue.actors.execute import outcome_of
from oncue.actors.job_events import (
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    queue_event,
)
from oncue.actors.jobs import job_of
from oncue.actors.messages import (
    CancelAttempt,
    Count,
    Ended,
    Find,
    ListQueues,
    Remove,
    Requeue,
    RequeueAll,
    WaitFor,
    hint,
)
from oncue.actors.pulling import Forgo, Pull, SettlePulled
from oncue.actors.tracing import trace_for_new_task
from oncue.actors.waiters import OVER
from oncue.adapters.arguments import (
    LIMIT_MAX,
    as_age_s,
    as_limit,
    as_queue_name,
    as_queue_name_or_all,
    as_uuid,
)
from oncue.adapters.asks import QueueAsks
from oncue.runtime import ActorDied, ActorStopped, AskTimeout
from oncue.stores import (
    ByIds,
    CancelTask,
    DeadLetters,
    DuplicateTask,
    LiveTasks,
    PauseQueue,
    PauseTask,
    PurgeDeadLetters,
    PurgeResults,
    PurgeWaiting,
    ResumeQueue,
    ResumeTask,
    StoreUnavailable,
    TaskData,
    TaskPriority,
    TaskResult,
    TaskRow,
    TaskStatus,
    TaskView,
    UniqueTaken,
    decode_claimed,
    decode_task,
    decode_view,
    encode_task,
)

LAST_LOOK_S = 1.0
"""How long `wait` looks once more when its time is over."""


class QueueClient(QueueAsks):
    """The calls on tasks and queues. `QueueBase` is what people hold."""

    # -- tasks --------------------------------------------------------------------------

    async def enqueue(self, task: TaskData, connection: object | None = None) -> str:
        """Accept `task` and return its id; the store has it when this returns.

        With a `connection` (SQL stores: your own sync SQLAlchemy Connection or Session) the task
        exists if and only if that commits; a queue on any other store raises ValueError.

        Enqueuing an id that is known already changes nothing. Raises `DuplicateTask` when a
        live task of the queue has its `unique_key`, `StoreUnavailable` when the outcome is
        not known (repeat it with the same task).
        """
        row = encode_task(task, trace_for_new_task())
        if connection is None:
            (outcome,) = await self._add(task.queue_name, [row])
        else:
            outcome = await self._add_within(connection, row)
        if isinstance(outcome, UniqueTaken):
            raise _duplicate(task, outcome)
        return str(task.task_id)

    async def enqueue_many(self, tasks: Iterable[TaskData]) -> list[str]:
        """As `enqueue`, in one round trip per queue; ids in the order given.

        Raises an `ExceptionGroup` when tasks were not accepted; all the others are stored. In it
        are one `DuplicateTask` per task, and of each queue that refused its tasks, all or none of
        which are taken, one `QueueFull`, `MemoryLimitExceeded` or `RateLimitExceeded`, with a
        note of how many they are. `StoreUnavailable` comes at once and by itself: what is stored
        then is not known, and the same tasks are to be given again.
        """
        everything = list(tasks)
        trace = trace_for_new_task()
        by_queue: dict[str, list[tuple[TaskData, TaskRow]]] = {}
        for task in everything:  # all are encoded before any is stored
            row = encode_task(task, trace)
            by_queue.setdefault(task.queue_name, []).append((task, row))
        refused: list[Exception] = []
        count = 0
        for queue_name, group in by_queue.items():
            try:
                outcomes = await self._add(queue_name, [row for _, row in group])
            except (QueueFull, MemoryLimitExceeded, RateLimitExceeded) as error:
                error.add_note(f"none of {len(group)} tasks for queue {queue_name!r} was stored")
                refused.append(error)
                count += len(group)
                continue
            duplicates = [
                _duplicate(task, outcome)
                for (task, _), outcome in zip(group, outcomes, strict=True)
                if isinstance(outcome, UniqueTaken)
            ]
            refused.extend(duplicates)
            count += len(duplicates)
        if refused:
            raise ExceptionGroup(f"{count} of {len(everything)} tasks were not accepted", refused)
        return [str(task.task_id) for task in everything]

    async def create_task(
        self,
        task_type: str,
        payload: dict[str, Any] | None = None,
        queue_name: str = "default",
        *,
        priority: TaskPriority = TaskPriority.NORMAL,
        **fields: Any,
    ) -> str:
        """Make a `TaskData` of the arguments and enqueue it."""
        return await self.enqueue(
            TaskData(
                task_id=self._entropy.uuid(),
                task_type=task_type,
                payload={} if payload is None else payload,
                queue_name=queue_name,
                priority=priority,
                created_at=self._clock.now(),
                **fields,
            )
        )

    async def get_task_status(self, task_id: UUID | str) -> TaskResult | None:
        """How the task stands; None when it is not known, or no longer."""
        views = await self._ask(Find(query=ByIds(task_ids=[as_uuid(task_id)])))
        return decode_view(views[0]) if views else None

    async def wait(self, task_id: UUID | str, timeout: float | None = None) -> TaskResult:
        """Wait until the task has ended: completed, cancelled, or a dead letter.

        Raises `TimeoutError` after `timeout` seconds, or at most one more where the store is slow,
        and `UnknownTask`.
        """
        wanted = as_uuid(task_id)
        deadline = inf if timeout is None else self._clock.monotonic() + timeout
        while True:
            left_s = max(0.0, deadline - self._clock.monotonic())
            try:
                view = await self._inside.waiters.ask(WaitFor(task_id=wanted), timeout_s=left_s)
            except AskTimeout:
                # With no time to wait at all, it may have ended all the same.
                return await self._last_look(wanted, f"{timeout} s")
            except ActorDied:
                continue  # a restart in between; nothing was lost but the place in line
            except ActorStopped:
                raise QueueNotRunning(self.name) from None
            return decode_view(view)

    async def _last_look(self, task_id: UUID, waited: str) -> TaskResult:
        too_late = TimeoutError(f"task {task_id} has not ended within {waited}")
        try:
            query = ByIds(task_ids=[task_id])
            views = await self._ask(Find(query=query), timeout_s=LAST_LOOK_S)
        except StoreUnavailable as error:
            raise too_late from error
        if not views or views[0].status not in OVER:
            raise too_late
        return decode_view(views[0])

    async def cancel_task(self, task_id: UUID | str) -> bool:
        """End a live task: a waiting one never runs, a running one is cancelled.

        False when it is not live. What a cancelled handler still does is not recorded.
        """
        wanted = as_uuid(task_id)
        edited = await self._edit(CancelTask(task_id=wanted))
        if edited.holder is not None:
            lease = edited.holder.lease
            # No hint: under load it would be lost, and the handler would run on.
            with suppress(ActorStopped):
                await self._inside.pool.tell(CancelAttempt(task_id=wanted, lease=lease))
        if edited.count:
            view = TaskView(
                task_id=wanted,
                queue_name=edited.queue_name or "",
                status=TaskStatus.CANCELLED,
                retry_count=0,
                completed_at=self._clock.now(),
            )
            hint(self._inside.waiters, Ended(views=[view]))
            self._publish_change(EVENT_JOB_REMOVED, wanted, edited)
        return edited.count > 0

    async def pause_job(self, task_id: UUID | str) -> bool:
        """Hold a waiting task back; False when there is none to hold."""
        wanted = as_uuid(task_id)
        edited = await self._edit(PauseTask(task_id=wanted))
        self._publish_change(EVENT_JOB_MODIFIED, wanted, edited)
        return edited.count > 0

    async def resume_job(self, task_id: UUID | str) -> bool:
        """Put a paused task back into its place; False when it is not paused."""
        wanted = as_uuid(task_id)
        edited = await self._edit(ResumeTask(task_id=wanted))
        self._wake(edited.queue_name)
        self._publish_change(EVENT_JOB_MODIFIED, wanted, edited)
        return edited.count > 0

    async def get_job(self, task_id: UUID | str) -> Job | None:
        """A task that is not over, and when it runs; None once it has ended."""
        views = await self._ask(Find(query=ByIds(task_ids=[as_uuid(task_id)])))
        return job_of(views[0]) if views else None

    async def get_jobs(self, queue_name: str | None = None, limit: int | None = None) -> list[Job]:
        """The tasks that are not over, and schedules where the adapter has any."""
        return await self.get_tasks(queue_name, limit)

    async def get_tasks(self, queue_name: str | None = None, limit: int | None = None) -> list[Job]:
        """The tasks that are not over, of one queue or of all, in the order added.

        All of them, or the first `limit`.
        """
        query = LiveTasks(
            queue_name=as_queue_name_or_all(queue_name),
            limit=LIMIT_MAX if limit is None else as_limit(limit),
        )
        views = await self._ask(Find(query=query))
        return [job for view in views if (job := job_of(view)) is not None]

    async def dequeue(self, queue_name: str | None = None) -> TaskData | None:
        """Pull the next task of a queue, or of any, by hand; None when nothing is ready.

        Of any: the queues are asked one by one, in the order of their names; priorities count
        within each. It is yours until `settle`; unsettled, it goes back after its `timeout`.
        Cancelled, the call leaves nothing in your hands.
        """
        puller, request = self._inside.puller, Pull(queue_name=as_queue_name_or_all(queue_name))
        try:
            claimed = await self._ask_of(puller, request)
        except get_cancelled_exc_class():
            # asyncio's own cancel() may come between the answer and us: who answered cannot know.
            hint(puller, Forgo(request=request))
            raise
        return None if claimed is None else decode_claimed(claimed)

    async def settle(self, task: TaskData | UUID | str, result: Any = None) -> bool:
        """Finish a pulled task: with its result, or with a `TaskResult` that says FAILED.

        A failure is retried or becomes a dead letter, as a handler's would. False: the task
        is not yours any more, and nothing was recorded. Raises ValueError naming `result`
        when that is no JSON.
        """
        task_id = task.task_id if isinstance(task, TaskData) else as_uuid(task)
        request = SettlePulled(task_id=task_id, outcome=outcome_of(result))
        return await self._ask_of(self._inside.puller, request)

    # -- queues -------------------------------------------------------------------------

    @property
    def scheduler_running(self) -> bool:
        """Whether schedules are fired here; False where the adapter has none."""
        return False

    async def get_queue_info(self, queue_name: str = "default") -> dict[str, Any]:
        """The queue's figures; all zero for a name that holds nothing."""
        counts = await self._ask(Count(queue_name=as_queue_name(queue_name)))
        return {
            "name": queue_name,
            "job_count": counts.live,
            "pending_tasks": counts.pending + counts.held,
            "processing_tasks": counts.processing,
            "delayed_tasks": counts.delayed,
            "dead_letter_tasks": counts.dead_letters,
            "priority_distribution": dict(counts.priorities),
            "oldest_task": counts.oldest,
            "newest_task": counts.newest,
            "paused": counts.paused,
            "scheduler_running": self.scheduler_running,
        }

    async def list_queues(self) -> list[str]:
        """The queues that hold a task or a dead letter, or are paused."""
        return list(await self._ask(ListQueues()))

    async def pause_queue(self, queue_name: str = "default") -> None:
        """Start nothing more from this queue, on any node; what runs, runs on."""
        await self._edit(PauseQueue(queue_name=as_queue_name(queue_name)))
        self._publish(
            EVENT_SCHEDULER_PAUSED, lambda: queue_event(EVENT_SCHEDULER_PAUSED, queue_name)
        )

    async def resume_queue(self, queue_name: str = "default") -> None:
        """Undo `pause_queue`."""
        await self._edit(ResumeQueue(queue_name=as_queue_name(queue_name)))
        self._wake(queue_name)
        self._publish(
            EVENT_SCHEDULER_RESUMED, lambda: queue_event(EVENT_SCHEDULER_RESUMED, queue_name)
        )

    async def purge_queue(self, queue_name: str = "default") -> int:
        """Remove what waits, without a trace; what runs is left. Returns how many."""
        return await self._ask(Remove(what=PurgeWaiting(queue_name=as_queue_name(queue_name))))

    # -- dead letters and results -------------------------------------------------------

    async def get_dead_letter_tasks(
        self, queue_name: str | None = None, limit: int = 100
    ) -> list[tuple[TaskData, TaskResult]]:
        """The dead letters of one queue or of all, newest first."""
        query = DeadLetters(queue_name=as_queue_name_or_all(queue_name), limit=as_limit(limit))
        views = await self._ask(Find(query=query))
        return [letter for view in views if (letter := _letter_of(view)) is not None]

    async def get_dead_letter_task(self, task_id: UUID | str) -> tuple[TaskData, TaskResult] | None:
        """One of them; None when there is none of that id."""
        views = await self._ask(Find(query=ByIds(task_ids=[as_uuid(task_id)])))
        return _letter_of(views[0]) if views else None

    async def retry_dead_letter_task(self, task_id: UUID | str) -> bool:
        """Give a dead letter a new life: same id, no attempts yet, due now.

        False when there is none, or when a live task has its `unique_key`.
        """
        request = Requeue(task_id=as_uuid(task_id))
        return await self._ask_of(self._inside.dead_letters, request)

    async def retry_dead_letter_tasks(self, queue_name: str | None = None) -> int:
        """Give new lives to those of one queue, or to all. Returns how many."""
        request = RequeueAll(queue_name=as_queue_name_or_all(queue_name))
        return await self._ask_of(self._inside.dead_letters, request)

    async def purge_dead_letters(
        self, queue_name: str | None = None, older_than: float = 0.0
    ) -> int:
        """Remove those dead for at least `older_than` seconds. Returns how many."""
        what = PurgeDeadLetters(
            queue_name=as_queue_name_or_all(queue_name), older_than_s=as_age_s(older_than)
        )
        return await self._ask(Remove(what=what))

    async def clear_completed_tasks(self, older_than: float | None = None) -> int:
        """Forget results at least `older_than` seconds old (None: all). Returns how many."""
        older_than_s = 0.0 if older_than is None else as_age_s(older_than)
        return await self._ask(Remove(what=PurgeResults(older_than_s=older_than_s)))


def _letter_of(view: TaskView) -> tuple[TaskData, TaskResult] | None:
    if view.row is None or view.status is not TaskStatus.DEAD_LETTER:
        return None
    return decode_task(view.row, view.retry_count), decode_view(view)


def _duplicate(task: TaskData, outcome: UniqueTaken) -> DuplicateTask:
    return DuplicateTask(
        queue_name=task.queue_name,
        unique_key=task.unique_key or "",
        live_task_id=outcome.live_task_id,
    )
