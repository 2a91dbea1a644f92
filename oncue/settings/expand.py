"""`${VAR}` and `${VAR:-default}` in a settings file's strings, as a shell has them.

`${VAR}` needs the variable; `${VAR:-default}` takes the default when it is unset or empty;
`$${` is a plain `${`. Keys are left alone, and so is what stands in a variable.
"""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<inner>[^}]*)\}?")
_INNER = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>:-(?P<default>.*))?", re.DOTALL)


class CannotExpand(ValueError):
    """A variable that is not set, or no reference at all. `variable` is what stands inside."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(message)
        self.variable = variable


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`text` with the variables' values in it. Raises `CannotExpand`."""

    def value(reference: re.Match[str]) -> str:
        if reference["escape"]:
            return reference[0][1:]
        inner = _INNER.fullmatch(reference["inner"])
        if inner is None or not reference[0].endswith("}"):
            raise CannotExpand(
                reference["inner"],
                f"{reference[0]} is neither ${{VAR}} nor ${{VAR:-default}}; "
                "a plain ${ is written $${",
            )
        name = inner["name"]
        if inner["rest"] is not None:
            return environment.get(name) or inner["default"]
        if name not in environment:
            raise CannotExpand(name, f"the environment variable {name} is not set")
        return environment[name]

    return _REFERENCE.sub(value, text)
