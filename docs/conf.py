"""Sphinx settings. The documentation builds offline, and a warning is an error (python3 dev.py docs)."""

import contextlib
import importlib.util
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent

project = "twinkit"
author = "The twinkit developers"
copyright = "The twinkit developers, Apache-2.0"
release = re.search(r'__version__ = "(.+)"', (HERE.parent / "src/twinkit/_version.py").read_text("utf-8"))[1]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False
_PLAIN = ("quickstart", "models", "simulation", "graph", "fmi", "estimation", "moving-horizon", "demo", "performance")
html_sidebars = {page: [] for page in _PLAIN}
html_static_path = ["_static"]
html_css_files = ["twinkit.css"]
html_math_renderer = "mathml"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
# A page with {code-cell} blocks and a jupytext header is executed; a cell that fails, fails the build.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_render_markdown_format = "myst"  # what model.show() gives is Markdown with mathematics and a table

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"  # the signatures of numpydoc sections say it in words
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
suppress_warnings = ["ref.python"]  # tk.Model and twinkit.core.Model are one object under two names

# The rooms, from the ground up; each gets a page under api/generated/ of what its __all__ names.
ROOMS = [
    "core",
    "readings",
    "simulate",
    "unitops",
    "unitops.phenomena",
    "unitops.parameters",
    "optimise",
    "testing",
    "fmi",
    "graph",
    "graph.ssp",
    "graph.ssp.structure",
    "hybrid",
    "estimate",
    "control",
    "pat",
    "plant",
    "genealogy",
    "quality",
    "govern",
    "app",
]


def exists(module: str) -> bool:
    """Say whether a room has been built."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin is not None


def load_all(module: str) -> None:
    """Import what a room's `__all__` names: rooms import lazily, and autodoc lists only what is there."""
    room = importlib.import_module(module)
    for name in getattr(room, "__all__", ()):
        with contextlib.suppress(ImportError):  # of a package that is not installed: left out of the page
            vars(room).setdefault(name, getattr(room, name))


def passed_on(module: str) -> list[str]:
    """Return what a room only passes on from another room: it is described there."""
    room = importlib.import_module(module)
    homes = {name: getattr(vars(room).get(name), "__module__", "") for name in getattr(room, "__all__", ())}
    others = tuple(f"twinkit.{other}." for other in ROOMS if not f"{module}.".startswith(f"twinkit.{other}."))
    return [name for name, home in homes.items() if home.startswith(others) and not home.startswith(f"{module}.")]


def write_api_pages() -> None:
    """Write a page for every room that exists, and take away the pages of those that no longer do."""
    folder = HERE / "api" / "generated"
    folder.mkdir(exist_ok=True)
    wanted = {f"{room}.rst": f"twinkit.{room}" for room in ROOMS if exists(f"twinkit.{room}")}
    for page in folder.iterdir():
        if page.name not in wanted:
            page.unlink()
    for name, module in wanted.items():
        load_all(module)
        text = f"{module}\n{'=' * len(module)}\n\n.. automodule:: {module}\n   :members:\n   :show-inheritance:\n"
        if left_out := passed_on(module):
            text += f"   :exclude-members: {', '.join(left_out)}\n"
        page = folder / name
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, encoding="utf-8")


def write_mathml(self, node: nodes.Element) -> None:
    """Write mathematics as MathML: browsers draw it themselves, with no script and no network."""
    block = isinstance(node, nodes.math_block)
    try:
        formula = tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logging.getLogger(__name__).warning("this formula cannot be drawn: %s", error, location=node)
        formula = f"<code>{self.encode(node.astext())}</code>"
    self.body.append(f'<div class="math-block">{formula}</div>' if block else formula)
    raise nodes.SkipNode


def name_references(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Give the numbered references of each docstring names of their own: many docstrings share a page."""
    label = re.sub(r"\W", "-", name)
    lines[:] = [
        re.sub(r"\[(\d)\]_", rf"[#{label}-\1]_", re.sub(r"^\.\. \[(\d)\]", rf".. [#{label}-\1]", line))
        for line in lines
    ]


def skip_what_others_add(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the methods that scikit-learn gives every estimator."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("autodoc-skip-member", skip_what_others_add)
    app.connect("autodoc-process-docstring", name_references)
    app.add_html_math_renderer("mathml", (write_mathml, None), (write_mathml, None))


write_api_pages()
