"""When a schedule runs: pure functions of UTC moments, and their JSON. See `base` for the rules."""

from .calendar import CalendarTrigger as CalendarTrigger
from .codec import TriggerNotUnderstood as TriggerNotUnderstood
from .codec import decode as decode
from .codec import encode as encode
from .combined import AndTrigger as AndTrigger
from .combined import NoAgreement as NoAgreement
from .combined import OrTrigger as OrTrigger
from .combined import Trigger as Trigger
from .combined import is_trigger as is_trigger
from .convert import from_apscheduler as from_apscheduler
from .cron import CronFields as CronFields
from .cron import CronTrigger as CronTrigger
from .crontab import CrontabTrigger as CrontabTrigger
from .crontab import crontab as crontab
from .date import DateTrigger as DateTrigger
from .interval import IntervalTrigger as IntervalTrigger
from .interval import interval as interval
from .zones import Fold as Fold
from .zones import Gap as Gap
