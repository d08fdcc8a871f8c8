"""Recipe and batch-to-batch variation of IndPenSim, as plain data."""

from __future__ import annotations

import bisect
import html
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError

Array = npt.NDArray[np.float64]
SAMPLE = 0.2
"""Hours between two decisions of the controllers (12 minutes)."""
BATCH = 230.0
"""Hours of a batch."""
_DECAY = 0.995  # of the random walk, per sample
_PENSIMPY = "PenSimPy 1.2.5 (MIT), default profiles and seeds' spread, read as facts"


@dataclass(frozen=True)
class HoldUntil:
    """A profile whose entries say *until when* a value holds, not from when on.

    ``HoldUntil("L/h", ((3, 8), (12, 15)))`` is 8 until 3 h, then 15 until 12 h and after. Reading such a table as
    "from then on" shifts every value by one entry: PenSimPy does so by default, which empties the vessel at 134 h.

    Parameters
    ----------
    unit
        Of the values.
    entries
        ``(time in h, value)``, times increasing.

    Raises
    ------
    InvalidValueError
        If there is no entry, a number is not finite, or the times do not increase.

    Examples
    --------
    >>> feed = HoldUntil("L/h", ((3.0, 8.0), (12.0, 15.0)))
    >>> feed.value(0.0), feed.value(3.0), feed.value(99.0)
    (8.0, 15.0, 15.0)
    >>> feed.points()
    {0.0: 8.0, 3.0: 15.0}
    """

    unit: str
    entries: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise InvalidValueError("a profile needs at least one (time, value)")
        table = np.array(self.entries, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != 2 or not np.all(np.isfinite(table)):
            raise InvalidValueError("a profile is made of (time, value), both finite")
        if np.any(np.diff(table[:, 0]) <= 0.0) or table[0, 0] <= 0.0:
            raise InvalidValueError("the times until which values hold must be positive and increase")
        object.__setattr__(self, "entries", tuple((float(t), float(value)) for t, value in table))

    def value(self, t: float) -> float:
        """Return the value just after time `t` [h]; the last one holds on."""
        place = bisect.bisect_right([until for until, _ in self.entries], t)
        return self.entries[min(place, len(self.entries) - 1)][1]

    def points(self) -> dict[float, float]:
        """Return ``{from when: value}``, the form `tk.steps` takes; times fall on samples of the controllers."""
        starts = [0.0, *[round(until / SAMPLE) * SAMPLE for until, _ in self.entries[:-1]]]
        return dict(zip(starts, [value for _, value in self.entries], strict=True))

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{until:g}</td><td>{value:g}</td></tr>" for until, value in self.entries)
        return f"<table><tr><th>until [h]</th><th>{html.escape(self.unit)}</th></tr>{rows}</table>"


_DISCHARGES = ((100.0, 102.0), (130.0, 132.0), (150.0, 152.0), (170.0, 172.0), (190.0, 192.0), (210.0, 212.0))
RECIPE: Mapping[str, HoldUntil] = MappingProxyType(
    {
        "Fs": HoldUntil("L/h", (
            (3, 8), (12, 15), (16, 30), (20, 75), (24, 150), (28, 30), (32, 37), (36, 43), (40, 47), (44, 51), (48, 57),
            (52, 61), (56, 65), (60, 72), (64, 76), (68, 80), (72, 84), (76, 90), (80, 116), (160, 90), (230, 80),
        )),
        "Foil": HoldUntil("L/h", (
            (4, 22), (16, 30), (56, 35), (60, 34), (64, 33), (68, 32), (72, 31), (76, 30), (80, 29), (230, 23),
        )),
        "Fg": HoldUntil("m**3/min", ((8, 30), (20, 42), (40, 55), (90, 60), (200, 75), (230, 65))),
        "pressure": HoldUntil("bar", (
            (12.4, 0.6), (25, 0.7), (30, 0.8), (40, 0.9), (100, 1.1), (150, 1.0), (200, 0.9), (230, 0.9),
        )),
        "discharge": HoldUntil("kg/h", (
            *[entry for begin, end in _DISCHARGES for entry in ((begin, 0.0), (end, 4000.0))], (230, 0.0),
        )),
        "Fw": HoldUntil("L/h", ((50, 0), (75, 500), (150, 100), (160, 0), (170, 400), (200, 150), (230, 250))),
        "Fpaa_recipe": HoldUntil("L/h", ((5, 5), (40, 0), (200, 10), (230, 4))),
    }
)  # fmt: skip
"""The benchmark's recipe by input of `IndPenSimBatch` (Goldrick et al. 2015; numbers as in PenSimPy 1.2.5, MIT)."""


def recipe_points() -> dict[str, dict[float, float]]:
    """Return the benchmark's recipe as ``{input: {from when: value}}``.

    Examples
    --------
    >>> import twinkit as tk
    >>> inputs = {name: tk.steps(points) for name, points in recipe_points().items()}
    >>> sorted(inputs)
    ['Fg', 'Foil', 'Fpaa_recipe', 'Fs', 'Fw', 'discharge', 'pressure']
    """
    return {name: profile.points() for name, profile in RECIPE.items()}


def disturbance_walk(noise: npt.ArrayLike) -> dict[float, float]:
    """Return the filtered random walk that disturbs a batch, as ``{from when: value}``, one value per sample.

    ``w[k] = 0.995 w[k-1] + 0.005 noise[k]``.

    Parameters
    ----------
    noise
        Standard normal numbers, one per sample.

    Raises
    ------
    InvalidValueError
        If there is none, or one is not finite.

    Examples
    --------
    >>> disturbance_walk([1.0, 0.0])
    {0.0: 0.005, 0.2: 0.004975}
    """
    given = np.asarray(noise, dtype=np.float64)
    if given.ndim != 1 or not given.size or not np.all(np.isfinite(given)):
        raise InvalidValueError("the noise of a disturbance is a list of finite numbers, one per sample")
    found: dict[float, float] = {}
    value = 0.0
    for k, number in enumerate(given.tolist()):
        value = _DECAY * value + (1.0 - _DECAY) * number
        found[k * SAMPLE] = value
    return {t: round(value, 18) for t, value in found.items()}


@dataclass(frozen=True)
class BatchVariation:
    """What differs between batches of IndPenSim.

    Attributes
    ----------
    values
        Parameters and initial states by name, for ``model.with_``.
    disturbance
        Random walk, for ``tk.steps``.
    """

    values: Mapping[str, float]
    disturbance: Mapping[float, float]


def batch_variation(seed: int, hours: float = BATCH) -> BatchVariation:
    """Draw one batch: growth, formation, oxygen transfer, feeds, initial state and disturbances.

    The spread is PenSimPy's; numbers come from NumPy's default generator, so that its seeds are not these seeds.

    Parameters
    ----------
    seed
        The same seed gives the same batch.
    hours
        Length of the batch.

    Raises
    ------
    InvalidValueError
        If the batch has no length.

    Examples
    --------
    >>> batch_variation(1).values == batch_variation(1).values
    True
    """
    if not 0.0 < hours < 1e5:
        raise InvalidValueError(f"the length of a batch must be within 0 and 100 000 h, not {hours!r}")
    generator = np.random.default_rng(seed)
    biomass = 0.5 + 0.05 * generator.standard_normal()
    spread = {
        "mu_x": (0.41, 0.025), "mu_p": (0.041, 0.0025), "alpha_kla": (85.0, 10.0), "PAA_c": (530_000.0, 20_000.0),
        "N_paa": (150_000.0, 2_000.0), "S": (1.0, 0.1), "DO2": (15.0, 0.5), "V": (58_000.0, 500.0),
        "Wt": (62_000.0, 500.0), "CO2_gas": (0.038, 0.001), "O2": (0.20, 0.05), "T": (297.0, 0.5),
        "PAA": (1_400.0, 50.0), "N": (1_700.0, 50.0),
    }  # fmt: skip
    values = {name: mean + std * generator.standard_normal() for name, (mean, std) in spread.items()}
    values["O2"] = float(np.clip(values["O2"], 0.05, 0.21))  # five standard deviations would leave what air can be
    values["H"] = 10.0 ** -(6.5 + 0.1 * generator.standard_normal())
    values |= {"a0": biomass / 3.0, "a1": 2.0 * biomass / 3.0}
    count = int(np.ceil(hours / SAMPLE))
    return BatchVariation(MappingProxyType(values), disturbance_walk(generator.standard_normal(count)))
