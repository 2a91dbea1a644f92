"""A web service that answers at once and works afterwards.

    uv run --with uvicorn uvicorn examples.web:app

POST a text to /texts, and get the id of a task and 202. The words are counted in a worker
process, so the event loop serves on meanwhile; GET /texts/ID says how far it is, GET /health
how the queue is. settings/queue.yaml or ONCUE_QUEUE__... set the queue up.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypedDict

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from oncue import (
    QueueBase,
    QueueFull,
    RateLimitExceeded,
    TaskStatus,
    depends,
    import_adapter,
    task_handler,
)

WORD = re.compile(r"\w+")
MOST_COMMON = 3


class Text(BaseModel):
    """What is posted."""

    text: str


class Count(TypedDict):
    """What is counted."""

    words: int
    most_common: list[tuple[str, int]]


@task_handler("count", executor="process")
def count(text: Text) -> Count:
    """CPU work: in a process of its own."""
    words = Counter(WORD.findall(text.text.lower()))
    return Count(words=words.total(), most_common=words.most_common(MOST_COMMON))


async def submit(request: Request) -> JSONResponse:
    """Accept a text. 429 when too many wait."""
    queue: QueueBase = request.app.state.queue
    try:
        text = Text.model_validate_json(await request.body())
        task_id = await queue.create_task("count", text.model_dump(), "texts")
    except ValidationError as error:
        return JSONResponse({"errors": error.errors(include_url=False)}, status_code=422)
    except (QueueFull, RateLimitExceeded) as error:
        return JSONResponse({"error": str(error)}, status_code=429)
    return JSONResponse({"id": task_id}, status_code=202, headers={"Location": f"/texts/{task_id}"})


async def look(request: Request) -> JSONResponse:
    """How far a text is."""
    queue: QueueBase = request.app.state.queue
    found = await queue.get_task_status(request.path_params["task_id"])
    if found is None:
        return JSONResponse({"error": "no such text"}, status_code=404)
    if found.status is TaskStatus.COMPLETED:
        return JSONResponse({"status": found.status, **found.result})
    return JSONResponse({"status": found.status, "error": found.error})


async def health(request: Request) -> JSONResponse:
    """For whoever restarts this: 503 when the queue does not work."""
    queue: QueueBase = request.app.state.queue
    told = await queue.health_check()
    return JSONResponse(told, status_code=200 if told["healthy"] else 503)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None]:
    """The queue runs while the application does; at its end it drains."""
    queue = depends.get(import_adapter("queue"))
    queue.register_handler("count", count)
    app.state.queue = queue
    async with queue:
        yield


app = Starlette(
    routes=[
        Route("/texts", submit, methods=["POST"]),
        Route("/texts/{task_id:uuid}", look),
        Route("/health", health),
    ],
    lifespan=lifespan,
)
