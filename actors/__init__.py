"""The queue as actors: store, pool, workers, queues, and the graph that holds them."""

from .admission import Admission as Admission
from .admission import Limits as Limits
from .backoff import RetryPolicy as RetryPolicy
from .door import Entrance as Entrance
from .door import Inside as Inside
from .errors import DuplicateJob as DuplicateJob
from .errors import JobContested as JobContested
from .errors import MemoryLimitExceeded as MemoryLimitExceeded
from .errors import NodeSuperseded as NodeSuperseded
from .errors import QueueFull as QueueFull
from .errors import QueueNotRunning as QueueNotRunning
from .errors import RateLimitExceeded as RateLimitExceeded
from .errors import UnknownTask as UnknownTask
from .events import EventStream as EventStream
from .events import Listeners as Listeners
from .graph import Parts as Parts
from .graph import durable_graph as durable_graph
from .graph import memory_graph as memory_graph
from .handlers import FunctionHandler as FunctionHandler
from .handlers import Handlers as Handlers
from .handlers import PayloadError as PayloadError
from .handlers import TaskHandler as TaskHandler
from .handlers import task_handler as task_handler
from .jobs import Job as Job
from .roster import Roster as Roster
from .tally import Tally as Tally
