"""`{settings} NAME`: the table of an adapter's settings, from its model, at the docs' build."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from oncue.adapters import load_adapter
from oncue.settings.reference import markdown_table


class SettingsTable(SphinxDirective):
    """One argument, the adapter's name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        model = load_adapter(self.arguments[0]).metadata.settings
        return self.parse_text_to_nodes(markdown_table(model))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("settings", SettingsTable)
    return {"parallel_read_safe": True}
