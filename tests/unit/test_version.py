"""The version is written once; what has to repeat it agrees."""

import re
from pathlib import Path

from twinkit._version import __version__

ROOT = Path(__file__).parents[2]


def test_the_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r'^version: "?([^"\n]+)', citation, re.MULTILINE)[1] == __version__
