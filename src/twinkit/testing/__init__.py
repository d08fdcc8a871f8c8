"""Public contract checks: prove that a model or component of yours behaves as every one of twinkit must."""

from twinkit.testing.component import ComponentCheckError, check_component
from twinkit.testing.model import CheckReport, ModelCheckError, check_model

__all__ = ["CheckReport", "ComponentCheckError", "ModelCheckError", "check_component", "check_model"]
