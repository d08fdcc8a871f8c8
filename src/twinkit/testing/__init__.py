"""Public contract checks: prove that a model of yours behaves as every model of twinkit must."""

from twinkit.testing.model import CheckReport, ModelCheckError, check_model

__all__ = ["CheckReport", "ModelCheckError", "check_model"]
