"""OnCue: an actor-model task runtime on anyio. Queues are supervised actors, on asyncio or trio.

    queue = open_queue("memory")
    queue.register_handler("greet", greet)
    async with queue:
        task_id = await queue.create_task("greet", {"name": "Ada"})
        result = await queue.wait(task_id)

The names below load what they need when they are first used: `import oncue` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oncue.actors import DuplicateJob as DuplicateJob
    from oncue.actors import Job as Job
    from oncue.actors import JobContested as JobContested
    from oncue.actors import MemoryLimitExceeded as MemoryLimitExceeded
    from oncue.actors import NodeSuperseded as NodeSuperseded
    from oncue.actors import PayloadError as PayloadError
    from oncue.actors import QueueFull as QueueFull
    from oncue.actors import QueueNotRunning as QueueNotRunning
    from oncue.actors import RateLimitExceeded as RateLimitExceeded
    from oncue.actors import TaskHandler as TaskHandler
    from oncue.actors import UnknownTask as UnknownTask
    from oncue.actors import task_handler as task_handler
    from oncue.actors.job_events import EVENT_ALL as EVENT_ALL
    from oncue.actors.job_events import EVENT_JOB_ADDED as EVENT_JOB_ADDED
    from oncue.actors.job_events import EVENT_JOB_ERROR as EVENT_JOB_ERROR
    from oncue.actors.job_events import EVENT_JOB_EXECUTED as EVENT_JOB_EXECUTED
    from oncue.actors.job_events import EVENT_JOB_MAX_INSTANCES as EVENT_JOB_MAX_INSTANCES
    from oncue.actors.job_events import EVENT_JOB_MISSED as EVENT_JOB_MISSED
    from oncue.actors.job_events import EVENT_JOB_MODIFIED as EVENT_JOB_MODIFIED
    from oncue.actors.job_events import EVENT_JOB_REMOVED as EVENT_JOB_REMOVED
    from oncue.actors.job_events import EVENT_JOB_SUBMITTED as EVENT_JOB_SUBMITTED
    from oncue.actors.job_events import EVENT_SCHEDULER_PAUSED as EVENT_SCHEDULER_PAUSED
    from oncue.actors.job_events import EVENT_SCHEDULER_RESUMED as EVENT_SCHEDULER_RESUMED
    from oncue.actors.job_events import EVENT_SCHEDULER_SHUTDOWN as EVENT_SCHEDULER_SHUTDOWN
    from oncue.actors.job_events import EVENT_SCHEDULER_STARTED as EVENT_SCHEDULER_STARTED
    from oncue.actors.job_events import JobEvent as JobEvent
    from oncue.actors.job_events import JobExecutionEvent as JobExecutionEvent
    from oncue.actors.job_events import JobSubmissionEvent as JobSubmissionEvent
    from oncue.actors.job_events import SchedulerEvent as SchedulerEvent
    from oncue.actors.triggers import TriggerNotUnderstood as TriggerNotUnderstood
    from oncue.actors.triggers import crontab as crontab
    from oncue.adapters import QueueCapability as QueueCapability
    from oncue.adapters import QueueMetadata as QueueMetadata
    from oncue.adapters import depends as depends
    from oncue.adapters import import_adapter as import_adapter
    from oncue.adapters import open_queue as open_queue
    from oncue.adapters.base import QueueBase as QueueBase
    from oncue.adapters.scheduled import ScheduledQueue as ScheduledQueue
    from oncue.settings import SettingsError as SettingsError
    from oncue.stores import DuplicateTask as DuplicateTask
    from oncue.stores import StoreUnavailable as StoreUnavailable
    from oncue.stores import TaskData as TaskData
    from oncue.stores import TaskPriority as TaskPriority
    from oncue.stores import TaskResult as TaskResult
    from oncue.stores import TaskStatus as TaskStatus

_HOMES = {
    "DuplicateJob": "oncue.actors",
    "DuplicateTask": "oncue.stores",
    "EVENT_ALL": "oncue.actors.job_events",
    "EVENT_JOB_ADDED": "oncue.actors.job_events",
    "EVENT_JOB_ERROR": "oncue.actors.job_events",
    "EVENT_JOB_EXECUTED": "oncue.actors.job_events",
    "EVENT_JOB_MAX_INSTANCES": "oncue.actors.job_events",
    "EVENT_JOB_MISSED": "oncue.actors.job_events",
    "EVENT_JOB_MODIFIED": "oncue.actors.job_events",
    "EVENT_JOB_REMOVED": "oncue.actors.job_events",
    "EVENT_JOB_SUBMITTED": "oncue.actors.job_events",
    "EVENT_SCHEDULER_PAUSED": "oncue.actors.job_events",
    "EVENT_SCHEDULER_RESUMED": "oncue.actors.job_events",
    "EVENT_SCHEDULER_SHUTDOWN": "oncue.actors.job_events",
    "EVENT_SCHEDULER_STARTED": "oncue.actors.job_events",
    "Job": "oncue.actors",
    "JobContested": "oncue.actors",
    "JobEvent": "oncue.actors.job_events",
    "JobExecutionEvent": "oncue.actors.job_events",
    "JobSubmissionEvent": "oncue.actors.job_events",
    "MemoryLimitExceeded": "oncue.actors",
    "NodeSuperseded": "oncue.actors",
    "PayloadError": "oncue.actors",
    "QueueBase": "oncue.adapters.base",
    "QueueCapability": "oncue.adapters",
    "QueueFull": "oncue.actors",
    "QueueMetadata": "oncue.adapters",
    "QueueNotRunning": "oncue.actors",
    "RateLimitExceeded": "oncue.actors",
    "ScheduledQueue": "oncue.adapters.scheduled",
    "SchedulerEvent": "oncue.actors.job_events",
    "SettingsError": "oncue.settings",
    "StoreUnavailable": "oncue.stores",
    "TaskData": "oncue.stores",
    "TaskHandler": "oncue.actors",
    "TaskPriority": "oncue.stores",
    "TaskResult": "oncue.stores",
    "TaskStatus": "oncue.stores",
    "TriggerNotUnderstood": "oncue.actors.triggers",
    "UnknownTask": "oncue.actors",
    "crontab": "oncue.actors.triggers",
    "depends": "oncue.adapters",
    "import_adapter": "oncue.adapters",
    "open_queue": "oncue.adapters",
    "task_handler": "oncue.actors",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
