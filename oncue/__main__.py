"""`python -m oncue` is the `oncue` command."""

from oncue.cli import main

# A worker process imports its parent's main module, and must not run it.
if __name__ == "__main__":
    main()
