"""The tables: their columns, and the statements that make them.

Rules:
- A statement here and elsewhere is a template: `{live}` and the other names of `TABLES` become
  quoted table names, the words of a `Dialect` what that database says, `?` its placeholder.
- Times are microseconds since 1970, ids what the database has for 16 bytes, names are compared
  byte by byte.
- A live task is waiting, running or held. Held is what was paused, and what could not be read:
  then `error` says so.

`{live}` has four indexes beside its keys, each for one question:

- ready: what may be claimed, in order. (queue, type, priority) is a lane, and a claim reads the
  heads of the lanes that it wants, so it never walks over what it does not handle, nor over what
  is not due.
- lease: what runs, for settlements, rescue and nodes.
- held: the queues of what is held, so that a survey finds all queues without reading all tasks.
- job: the runs of a schedule, to count them.

`{schedules}` has one beside its keys, due: what is planned, in the order in which it is due. A
schedule that could not be read is not planned any more, and `error` says why.
"""

from typing import Final

TABLES: Final = ("live", "dead", "results", "paused", "nodes", "counters", "schedules", "schema")

WAITING: Final = 0
RUNNING: Final = 1
HELD: Final = 2

# What a task is made of, in the order in which rows are written and read.
TASK_COLUMNS: Final = (
    "task_id",
    "queue_name",
    "task_type",
    "priority",
    "first_retry_count",
    "max_retries",
    "retry_delay_s",
    "delay_s",
    "timeout_s",
    "scheduled_us",
    "created_us",
    "payload",
    "tags",
    "unique_key",
    "trace",
    "job_id",
)
# What becomes of it, the same for the live and the dead.
LAST_COLUMNS: Final = (
    "retry_count",
    "run_us",
    "started_us",
    "execution_s",
    "error",
    "worker_id",
)
RESULT_COLUMNS: Final = (
    "task_id",
    "queue_name",
    "status",
    "retry_count",
    "started_us",
    "ended_us",
    "execution_s",
    "result",
    "error",
    "worker_id",
)
SCHEDULE_COLUMNS: Final = (
    "job_id",
    "name",
    "queue_name",
    "task",
    "trigger_json",  # the plain word is reserved
    "next_run_us",
    "misfire_grace_s",
    "is_coalesced",
    "instances_max",
    "created_us",
)

_TASK: Final = """
    task_id {id} NOT NULL,
    queue_name {name} NOT NULL,
    task_type {name} NOT NULL,
    priority {int} NOT NULL,
    first_retry_count {int} NOT NULL,
    max_retries {int} NOT NULL,
    retry_delay_s {float} NOT NULL,
    delay_s {float} NOT NULL,
    timeout_s {float},
    scheduled_us {int},
    created_us {int} NOT NULL,
    payload {bytes} NOT NULL,
    tags {bytes} NOT NULL,
    unique_key {name},
    trace {text},
    retry_count {int} NOT NULL,
    run_us {int} NOT NULL,
    started_us {int},
    execution_s {float},
    error {text},
    worker_id {text}"""

FIRST: Final = (
    "CREATE TABLE IF NOT EXISTS {live} (place {serial}, state {int} NOT NULL DEFAULT 0,"
    " lease {int}, node {name}," + _TASK + "){options}",
    "CREATE TABLE IF NOT EXISTS {dead} (number {serial}, ended_us {int} NOT NULL,"
    + _TASK
    + "){options}",
    "CREATE TABLE IF NOT EXISTS {results} (task_id {id} NOT NULL PRIMARY KEY,"
    " queue_name {name} NOT NULL, status {name} NOT NULL, retry_count {int} NOT NULL,"
    " started_us {int}, ended_us {int} NOT NULL, execution_s {float}, result {bytes},"
    " error {text}, worker_id {text}){options}",
    "CREATE TABLE IF NOT EXISTS {paused} (queue_name {name} NOT NULL PRIMARY KEY){options}",
    "CREATE TABLE IF NOT EXISTS {nodes} (node {name} NOT NULL PRIMARY KEY,"
    " incarnation {int} NOT NULL, beat_s {float}, beat_at_us {int} NOT NULL){options}",
    "CREATE TABLE IF NOT EXISTS {counters} (name {name} NOT NULL PRIMARY KEY,"
    " value {int} NOT NULL){options}",
    "INSERT INTO {counters} (name, value) VALUES ('incarnation', 0)",
    "CREATE UNIQUE INDEX {live_id} ON {live} (task_id)",
    "CREATE UNIQUE INDEX {live_key} ON {live} (queue_name, unique_key){where_key}",
    "CREATE UNIQUE INDEX {live_lease} ON {live} (lease){where_lease}",
    "CREATE INDEX {live_ready} ON {live}"
    " ({state_first}queue_name, task_type, priority, run_us, place){where_ready}",
    "{held_index}",
    "CREATE UNIQUE INDEX {dead_id} ON {dead} (task_id)",
    "CREATE INDEX {dead_queue} ON {dead} (queue_name, number)",
    "CREATE INDEX {dead_ended} ON {dead} (ended_us)",
    "CREATE INDEX {results_ended} ON {results} (ended_us)",
)
"""Version 1."""

SECOND: Final = (
    "ALTER TABLE {live} ADD COLUMN job_id {id}",
    "ALTER TABLE {dead} ADD COLUMN job_id {id}",
    "CREATE INDEX {live_job} ON {live} (job_id){where_job}",
    "CREATE TABLE IF NOT EXISTS {schedules} (number {int} NOT NULL PRIMARY KEY,"
    " version {int} NOT NULL, job_id {id} NOT NULL, name {name} NOT NULL,"
    " queue_name {name} NOT NULL, task {bytes} NOT NULL, trigger_json {text} NOT NULL,"
    " next_run_us {int}, misfire_grace_s {float}, is_coalesced {int} NOT NULL,"
    " instances_max {int} NOT NULL, created_us {int} NOT NULL,"
    " goes_on_us {int}, error {text}){options}",
    "CREATE UNIQUE INDEX {schedules_id} ON {schedules} (job_id)",
    "CREATE INDEX {schedules_due} ON {schedules} (next_run_us, job_id){where_due}",
    "INSERT INTO {counters} (name, value) VALUES ('schedule', 0)",
)
"""Version 2: schedules, and whose run a task is."""

INDEXES: Final = (
    "live_id",
    "live_key",
    "live_lease",
    "live_ready",
    "live_held",
    "live_job",
    "dead_id",
    "dead_queue",
    "dead_ended",
    "results_ended",
    "schedules_id",
    "schedules_due",
)
