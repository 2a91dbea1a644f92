"""The demo's handlers: what a file is made of.

Files are named by URI: a task's payload is JSON, and a file's name need not be text.
"""

import ast
import hashlib
import os
from typing import TypedDict
from urllib.parse import quote_from_bytes, unquote_to_bytes

from oncue.actors import task_handler
from oncue.stores import TaskData

CHUNK_BYTES = 1 << 20
SOURCE_BYTES_MAX = 16 << 20
"""Parsing takes some hundred times a source's size in memory."""


class SourceTooLarge(ValueError):
    """A Python source beyond `SOURCE_BYTES_MAX`."""


class FileFacts(TypedDict):
    """What a handler finds out; the task's result."""

    sha256: str
    bytes: int
    lines: int
    functions: int
    classes: int


def file_uri(path: str) -> str:
    """The `file:` URI of an absolute path, whatever bytes are in it."""
    return "file://" + quote_from_bytes(os.fsencode(path))


def file_path(uri: str) -> str:
    """The path of a `file:` URI."""
    return os.fsdecode(unquote_to_bytes(uri.removeprefix("file://")))


@task_handler("file", executor="thread")
def examine_file(task: TaskData) -> FileFacts:
    """Hash a file and count its lines, in bounded memory."""
    digest = hashlib.sha256()
    size = lines = 0
    last = b"\n"
    with open(file_path(task.payload["uri"]), "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    lines += last != b"\n"  # a last line without its end is one too
    return FileFacts(sha256=digest.hexdigest(), bytes=size, lines=lines, functions=0, classes=0)


@task_handler("python source", executor="process")
def examine_source(task: TaskData) -> FileFacts:
    """Examine a file, and count what a Python source defines: CPU work, so in a process."""
    facts: FileFacts = examine_file(task)
    if facts["bytes"] > SOURCE_BYTES_MAX:
        raise SourceTooLarge(f"{facts['bytes']} bytes are more than {SOURCE_BYTES_MAX}")
    with open(file_path(task.payload["uri"]), "rb") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            facts["functions"] += 1
        elif isinstance(node, ast.ClassDef):
            facts["classes"] += 1
    return facts
