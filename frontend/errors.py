"""wengert's errors, all in one tree: `from wengert.errors import ShapeError`."""

from .core.errors import (
    ArrayConversionError,
    BatchError,
    ConcretizationError,
    DtypeError,
    EscapedTracerError,
    InPlaceWriteError,
    LeafTypeError,
    MissingRuleError,
    NonLinearError,
    NonScalarOutputError,
    ProgramTypeError,
    RuleDefinitionError,
    ShapeError,
    TreeError,
    UnsupportedError,
    WengertError,
)

__all__ = [
    "ArrayConversionError",
    "BatchError",
    "ConcretizationError",
    "DtypeError",
    "EscapedTracerError",
    "InPlaceWriteError",
    "LeafTypeError",
    "MissingRuleError",
    "NonLinearError",
    "NonScalarOutputError",
    "ProgramTypeError",
    "RuleDefinitionError",
    "ShapeError",
    "TreeError",
    "UnsupportedError",
    "WengertError",
]
