"""What every adapter's settings are: a frozen pydantic model that takes no unknown key."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError


class QueueSettings(BaseModel):
    """The base of an adapter's settings. A field's docstring is its line in the reference."""

    # Inputs stay out of errors' texts: an address has a password.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @classmethod
    def of_url(cls, url: str) -> dict[str, Any]:
        """The settings that a URL stands for, for an adapter with `url_schemes`.

        Raises ValueError for a URL that it cannot read.
        """
        raise ValueError(f"{cls.__name__} says nothing of URLs")

    @field_validator("*", mode="wrap")
    @classmethod
    def _yes_is_no_number(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        checked = handler(value)
        # pydantic would make 1 of it, and YAML reads `on` and `yes` as true.
        if isinstance(value, bool) and not isinstance(checked, bool):
            raise PydanticCustomError("no_bool", "Input should not be true or false")
        return checked
