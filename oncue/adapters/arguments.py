"""What callers hand in, made into what the actors take. What is wrong is a ValueError naming it."""

from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from oncue.stores.task import Name

_NAME = TypeAdapter[str](Name)


def as_uuid(task_id: UUID | str) -> UUID:
    """A task's id, given either way."""
    if isinstance(task_id, UUID):
        return task_id
    try:
        return UUID(task_id)
    except ValueError:
        raise ValueError(f"task_id must be a UUID, not {task_id!r}") from None


def as_queue_name(name: str) -> str:
    """For what keeps a name that no task has brought. Raises ValueError."""
    try:
        return _NAME.validate_python(name, strict=True)
    except ValidationError as error:
        raise ValueError(f"queue_name: {error.errors()[0]['msg']}, not {name!r}") from None
