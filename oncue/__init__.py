"""An actor-model task runtime on anyio."""
