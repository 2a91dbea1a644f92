"""The actor kernel: supervised actors with bounded mailboxes, on asyncio and trio.

`Actor` is what you write, `ChildSpec` and `SupervisorSpec` say how it lives, `ActorSystem`
runs the tree, `Ref` is the address you send to. docs/semantics.md states the guarantees.
"""

from ._actor import Actor as Actor
from ._actor import Context as Context
from ._alarms import Alarm as Alarm
from ._alarms import Alarms as Alarms
from ._clock import Clock as Clock
from ._clock import Entropy as Entropy
from ._clock import SeededEntropy as SeededEntropy
from ._clock import SystemClock as SystemClock
from ._dead_letters import DeadLetter as DeadLetter
from ._dead_letters import Reason as Reason
from ._envelope import Envelope as Envelope
from ._envelope import Request as Request
from ._errors import ActorDied as ActorDied
from ._errors import ActorStopped as ActorStopped
from ._errors import AskTimeout as AskTimeout
from ._errors import EscalatedFailure as EscalatedFailure
from ._errors import MailboxFull as MailboxFull
from ._errors import NoSuchActor as NoSuchActor
from ._errors import Unrecoverable as Unrecoverable
from ._events import Crashed as Crashed
from ._events import Escalated as Escalated
from ._events import Event as Event
from ._events import Restarted as Restarted
from ._events import Unstopped as Unstopped
from ._log import logger as logger
from ._ref import Ref as Ref
from ._spec import Backoff as Backoff
from ._spec import ChildSpec as ChildSpec
from ._spec import Overflow as Overflow
from ._spec import Restart as Restart
from ._spec import Strategy as Strategy
from ._spec import SupervisorSpec as SupervisorSpec
from ._system import ActorSystem as ActorSystem
from ._timers import NamedTimers as NamedTimers
from ._trace import Trace as Trace
from ._trace import adopt_trace as adopt_trace
from ._trace import current_trace as current_trace
from ._tree import Node as Node
from ._watch import Terminated as Terminated
