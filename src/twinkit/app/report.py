"""The report of a replayed fermentation: one HTML file that needs nothing else, with what it was made from."""

from __future__ import annotations

import hashlib
import html
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from twinkit._version import __version__
from twinkit.core.files import write_atomically
from twinkit.core.identity import digest

if TYPE_CHECKING:
    from twinkit.app.fermentation import FermentationResult, LateSamples

_PACKAGES = ("numpy", "scipy", "casadi", "scikit-learn", "chemotools", "matplotlib")


def write_report(result: FermentationResult, path: Path, made_by: Mapping[str, Any] | None = None) -> Path:
    """Write the report, whole or not at all.

    Raises
    ------
    StorageError
        If the file cannot be written (full disk, no permission); an earlier report stays as it is.
    """
    return write_atomically(path, report(result, made_by).encode())


def provenance(result: FermentationResult) -> dict[str, Any]:
    """Return what a run was made from: model, data, settings and versions, each with its hash."""
    return {
        "twinkit": __version__,
        **result.made_by,
        "settings_sha256": digest(result.settings),
        "data_sha256": _data_hashes(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in _PACKAGES},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def _data_hashes() -> dict[str, str]:
    folder = resources.files("twinkit.app.fermentation") / "data"
    files = sorted((item for item in folder.iterdir() if ".csv" in item.name), key=lambda item: item.name)
    return {item.name: hashlib.sha256(item.read_bytes()).hexdigest() for item in files}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def report(result: FermentationResult, made_by: Mapping[str, Any] | None = None) -> str:
    """Return the report as HTML."""
    from twinkit.app.report_plots import figures, late_figure

    made = provenance(result) if made_by is None else made_by
    template = Template((resources.files("twinkit.app") / "report.html").read_text("utf-8"))
    return template.substitute(
        cards="".join(_card(*card) for card in _cards(result.metrics)),
        summary="".join(f"<li>{html.escape(line)}</li>" for line in result.summary),
        figures="".join(_figure(figure) for figure in figures(result)),
        scores=_table(("", "soft sensor alone", "twin"), _scores(result.metrics)),
        late="" if result.late is None else _late(result.late, late_figure(result, result.late)),
        flagged=_table(("spectra", "verdict", "why"), _verdicts(result)),
        priors=_table(("quantity", "mean", "std", "noise", "why"), _priors(result.settings)),
        settings=_table(("setting", "value"), _plain_settings(result.settings)),
        provenance=_table(("", ""), _flat(made)),
        created=html.escape(str(made.get("created", ""))),
        version=html.escape(str(made.get("twinkit", ""))),
    )


def _figure(figure: Any) -> str:
    title, alt, caption = (html.escape(text) for text in (figure.title, figure.alt, figure.caption))
    size = f'width="{figure.width}" height="{figure.height}"'
    image = f'<img src="{figure.source}" alt="{alt}" {size}>'
    return f"<figure><h3>{title}</h3>{image}<figcaption>{caption}</figcaption></figure>"


def _late(late: LateSamples, figure: Any) -> str:
    """Return the section on the second run."""
    rows = _table(("", "told no sample", "told the late samples"), late.rows)
    note = "The samples that were told are not scored, in either column."
    head = "<h2>With late laboratory samples</h2>"
    return f"{head}<p>{html.escape(late.summary)} {note}</p>{_figure(figure)}{rows}"


def _cards(m: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (
            "glucose, twin",
            f"{m['glucose_rmse_twin']:.2f} g/L",
            f"RMSE; soft sensor alone: {m['glucose_rmse_sensor']:.2f} g/L",
        ),
        ("ethanol error of the twin", f"{m['ethanol_rmse_twin']:.2f} g/L", "RMSE; no sensor measures ethanol"),
        ("95 % intervals cover", f"{100 * m['coverage_95']:.0f} %", f"of {m['hplc_points']} samples, both substances"),
        ("spectra refused", f"{m['spectra_flagged']}", f"of {m['spectra_total']}, by the sensor itself"),
    ]


def _card(title: str, value: str, note: str) -> str:
    parts = (html.escape(part) for part in (title, value, note))
    return '<div class="card"><span>{}</span><strong>{}</strong><small>{}</small></div>'.format(*parts)


def _scores(m: Mapping[str, Any]) -> list[tuple[str, ...]]:
    def percent(name: str) -> str:
        return f"{100 * m[name]:.0f} %" if name in m else ""

    return [
        ("Glucose RMSE [g/L]", f"{m['glucose_rmse_sensor']:.2f}", f"{m['glucose_rmse_twin']:.2f}"),
        (
            "Glucose RMSE [g/L], reference as first published (4.00 g/L lower)",
            f"{m['glucose_rmse_sensor_original']:.2f}",
            f"{m['glucose_rmse_twin_original']:.2f}",
        ),
        ("Ethanol RMSE [g/L]", "", f"{m['ethanol_rmse_twin']:.2f}"),
        ("95 % intervals that cover: glucose", percent("coverage_95_sensor"), percent("coverage_95_glucose")),
        ("95 % intervals that cover: ethanol", "", percent("coverage_95_ethanol")),
        ("95 % intervals that cover: together", "", percent("coverage_95")),
        (
            "The same, reference as first published",
            percent("coverage_95_sensor_original"),
            percent("coverage_95_original"),
        ),
        ("Spectra per second", "", f"{m['samples_per_second']:,.0f}"),
    ]


def _verdicts(result: FermentationResult) -> list[tuple[str, ...]]:
    """Return how many spectra were refused or doubted, by reason."""
    counts: dict[tuple[str, str], int] = {}
    for quality, note in zip(result.quality, result.note, strict=True):
        if quality != "good":
            reason = note.split(":")[0]
            counts[(quality, reason)] = counts.get((quality, reason), 0) + 1
    words = {"bad": "refused", "uncertain": "used with doubt"}
    return [(str(count), words.get(quality, quality), reason) for (quality, reason), count in sorted(counts.items())]


def _priors(settings: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for group in ("initial", "parameters"):
        for name, prior in settings.get(group, {}).items():
            numbers = (f"{prior[key]:g}" for key in ("mean", "std", "noise"))
            rows.append((name, *numbers, str(prior.get("reason", ""))))
    return rows


def _plain_settings(settings: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(name, _text(value)) for name, value in settings.items() if name not in ("initial", "parameters")]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}: ")
        else:
            rows.append((f"{prefix}{key}", _text(value)))
    return rows


def _text(value: Any) -> str:
    return ", ".join(f"{item:g}" for item in value) if isinstance(value, (list, tuple)) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an accessible table: header cells for columns and for the first cell of each row."""
    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    top = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'
