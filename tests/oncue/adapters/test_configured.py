"""`import_adapter` is the class that adapters.yaml names, `depends` the process's instance."""

from threading import Barrier, Thread

import pytest

from oncue import QueueBase, SettingsError, TaskData, depends, import_adapter
from oncue.adapters import installed_adapters
from oncue.adapters.memory import MemoryQueue
from tests.oncue.kit import Folder


async def double(task: TaskData) -> int:
    return int(task.payload["n"]) * 2


def memory_queue() -> MemoryQueue:
    return depends.get(MemoryQueue)


def test_memory_is_what_one_gets_without_a_file(folder: Folder) -> None:
    assert import_adapter("queue") is MemoryQueue


def test_the_file_names_the_adapter(folder: Folder) -> None:
    folder.write("adapters.yaml", "queue: memory")
    assert import_adapter("queue") is MemoryQueue


def test_an_adapter_that_is_not_installed_names_file_key_and_the_installed(folder: Folder) -> None:
    path = folder.write("adapters.yaml", "queue: memry")
    with pytest.raises(SettingsError) as caught:
        import_adapter("queue")
    assert str(caught.value) == (
        f"{path}: queue: no queue adapter is named 'memry'; the nearest is memory; "
        f"installed: {', '.join(installed_adapters())}"
    )
    assert caught.value.problems[0].nearest == "memory"


def test_there_are_only_queues(folder: Folder) -> None:
    with pytest.raises(ValueError, match="no kind of adapter is named 'cache'; there is: queue"):
        import_adapter("cache")


def test_the_instance_is_one_for_the_process_and_configured(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 3}")
    folder.setenv(ONCUE_QUEUE__RESULT_TTL="60")
    queue = depends.get(import_adapter("queue"))
    assert isinstance(queue, MemoryQueue)
    assert (queue.settings.max_workers, queue.settings.result_ttl) == (3, 60)
    assert depends.get(import_adapter("queue")) is queue is memory_queue()
    assert not queue.running


def test_clear_forgets_it_and_the_files_are_read_anew(folder: Folder) -> None:
    folder.write("queue.yaml", "queue: {max_workers: 3}")
    first = memory_queue()
    folder.write("queue.yaml", "queue: {max_workers: 4}")
    assert memory_queue().settings.max_workers == 3
    depends.clear()
    assert memory_queue() is not first
    assert memory_queue().settings.max_workers == 4


def test_wrong_settings_leave_no_instance_behind(folder: Folder) -> None:
    path = folder.write("queue.yaml", "queue: {max_worker: 3}")
    with pytest.raises(SettingsError, match=r"queue\.max_worker"):
        memory_queue()
    path.unlink()
    assert memory_queue().settings.max_workers == 10


def test_a_class_that_is_no_installed_adapters_is_refused(folder: Folder) -> None:
    class Mine(MemoryQueue): ...

    for queue_class in (Mine, QueueBase):
        with pytest.raises(ValueError, match="is the class of no installed adapter"):
            depends.get(queue_class)


def test_threads_that_ask_at_once_get_the_same_one(folder: Folder) -> None:
    together, got = Barrier(8), set[MemoryQueue]()

    def ask() -> None:
        together.wait()
        got.add(memory_queue())

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


@pytest.mark.real_time
async def test_the_instance_runs(folder: Folder) -> None:
    queue = depends.get(import_adapter("queue"))
    queue.register_handler("double", double)
    async with queue:
        result = await queue.wait(await queue.create_task("double", {"n": 4}), timeout=10)
    assert result.result == 8
