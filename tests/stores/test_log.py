"""The stores' logger."""

import subprocess
import sys

import pytest

MODULES = ("memory", "sql", "redis", "mongo")


@pytest.mark.parametrize("module", MODULES)
def test_a_store_imports_structlog_only_to_write_a_line(module: str) -> None:
    program = (
        "import sys\n"
        f"import oncue.stores.{module}\n"
        "assert 'structlog' not in sys.modules\n"
        "from oncue.stores._log import logger\n"
        "logger('here').error('a line')\n"
        "assert 'structlog' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a line" in done.stderr, "stdout is the program's"
    assert not done.stdout
