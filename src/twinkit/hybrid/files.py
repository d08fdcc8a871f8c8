"""Fitted hybrid models on disk: one JSON text and one npz archive, never pickle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from twinkit.core.errors import DataError
from twinkit.core.files import write_atomically
from twinkit.core.identity import plain
from twinkit.core.model import Model
from twinkit.hybrid.domain import Domain
from twinkit.hybrid.model import HybridModel
from twinkit.hybrid.posterior import Posterior
from twinkit.hybrid.terms import TERMS
from twinkit.hybrid.training.fit import Trained

_FORMAT = "twinkit-hybrid/1"
_TEXT, _ARRAYS = "hybrid.json", "hybrid.npz"


def save(hybrid: HybridModel, folder: Any) -> Path:
    """Write a fitted hybrid model into a folder (made if it is not there).

    The archive is written first; the text holds its hash, so that a half-written pair is noticed when it is read.
    """
    _ = hybrid.model_  # refuses what is not fitted
    trained = hybrid.trained_
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    arrays = {"mean": trained.posterior.mean, "factor": trained.posterior.factor}
    for k, domain in enumerate(trained.domains.values()):
        arrays |= {f"domain{k}": domain.inputs, f"batch{k}": domain.batch}
    for k, hyper in enumerate(trained.hyper.values()):
        arrays[f"hyper{k}"] = hyper
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    content = buffer.getvalue()
    posterior = trained.posterior
    document = {
        "format": _FORMAT, "arrays": hashlib.sha256(content).hexdigest(), "content_hash": hybrid.content_hash,
        "model": json.loads(trained.model.to_json()), "start": json.loads(hybrid.model.to_json()),
        "posterior": {"names": posterior.names, "logarithmic": posterior.logarithmic,
                      "positive": posterior.positive, "sizes": posterior.sizes},
        "noise": trained.noise, "domains": list(trained.domains), "hyper": list(trained.hyper), "tags": trained.tags,
        "ranges": trained.ranges, "report": trained.report, "batches": hybrid.batches_, "data_hash": hybrid.data_hash_,
        "arguments": {key: value for key, value in hybrid.get_params().items() if key not in ("model", "inherits")},
        "parent": hybrid.parent_, "qualification": hybrid.qualification_,
    }  # fmt: skip
    write_atomically(target / _ARRAYS, content)
    return write_atomically(target / _TEXT, json.dumps(plain(document), indent=1).encode()).parent


def load(folder: Any, model: type[Model]) -> HybridModel:
    """Read a fitted hybrid model.

    Parameters
    ----------
    folder
        What `save` wrote.
    model
        Class of the mechanistic model; it is never imported from the file.

    Raises
    ------
    DataError
        If files are missing, damaged, or belong to other equations.
    """
    source = Path(folder)
    try:
        document = json.loads((source / _TEXT).read_text(encoding="utf-8"))
        content = (source / _ARRAYS).read_bytes()
        if document["format"] != _FORMAT:
            raise DataError(f"{source} holds {document['format']!r}; this twinkit reads {_FORMAT!r}")
        if hashlib.sha256(content).hexdigest() != document["arrays"]:
            raise DataError(f"{source / _ARRAYS} is not the archive that {_TEXT} was written with, or is damaged")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        hybrid = _rebuilt(document, arrays, model)
    except FileNotFoundError as error:
        raise DataError(f"{source} holds no saved hybrid model: {error.filename} is missing") from None
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{source} is not a hybrid model saved by twinkit, or is damaged ({error!r})") from None
    if hybrid.content_hash != document["content_hash"]:
        raise DataError(f"{source} is damaged: its content does not match its hash")
    return hybrid


def _rebuilt(document: Any, arrays: Any, model: type[Model]) -> HybridModel:
    def read(name: str) -> Model:
        return model.from_json(json.dumps(document[name]), terms=TERMS)

    about = document["posterior"]
    posterior = Posterior(
        tuple(about["names"]), tuple(map(bool, about["logarithmic"])), tuple(map(bool, about["positive"])),
        tuple(map(int, about["sizes"])), arrays["mean"], arrays["factor"],
    )  # fmt: skip
    if posterior.factor.shape != (len(posterior.mean),) * 2 or sum(posterior.sizes) != len(posterior.mean):
        raise DataError("the posterior does not have the size its names say")
    hybrid = HybridModel(read("start"), **document["arguments"])
    hybrid.trained_ = Trained(
        read("model"), posterior, {tag: (float(a), float(b)) for tag, (a, b) in document["noise"].items()},
        {name: Domain(arrays[f"domain{k}"], arrays[f"batch{k}"]) for k, name in enumerate(document["domains"])},
        tuple(document["tags"]), document["ranges"],
        {name: arrays[f"hyper{k}"] for k, name in enumerate(document["hyper"])}, document["report"],
    )  # fmt: skip
    hybrid.parent_, hybrid.qualification_ = (None if document[k] is None else str(document[k])
                                             for k in ("parent", "qualification"))  # fmt: skip
    hybrid.batches_, hybrid.data_hash_, hybrid.groups_ = tuple(document["batches"]), str(document["data_hash"]), None
    return hybrid
