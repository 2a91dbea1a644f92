"""`python -m oncue` is the `oncue` command."""

from oncue.cli import main

main()
