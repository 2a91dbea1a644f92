"""What an acknowledged task outlives: for whom a write waits, and what kind of server it is."""

from collections.abc import Mapping
from typing import Any, Final

from ..base import Durability

_NO_JOURNAL: Final = (
    "a crash of the server's machine loses what was not in its journal yet, up to a tenth of a "
    "second of acknowledged tasks (journal=false)"
)
_SOME_HAVE_IT: Final = (
    "what was acknowledged is lost when another server becomes the primary that did not have it "
    "yet (w={}, and no number is sure to be a majority: w=majority)"
)


def durability(concern: Mapping[str, Any], is_replicated: bool) -> Durability:
    """By the client's write concern, as a document."""
    waits_for, is_journaled = concern.get("w"), concern.get("j", False)
    warnings: list[str] = []
    if not is_journaled:
        warnings.append(_NO_JOURNAL)
    # Who is counted need not have a vote, and how many have one may change.
    if is_replicated and isinstance(waits_for, int):
        warnings.append(_SOME_HAVE_IT.format(waits_for))
    said = f"w={waits_for}, journal={'true' if is_journaled else 'false'}"
    said += ", transactions" if is_replicated else ", no transactions: a server alone"
    return Durability(summary=said, warnings=tuple(warnings))
