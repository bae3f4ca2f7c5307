"""Pictures of derivatives and programs: `wengert.plot`.

`program` draws by itself, as SVG; the others draw with matplotlib (the extra `plot`), which is
imported when one of them is called.
"""

from .linearization import linearization
from .program import ProgramDrawing, program
from .sparsity import sparsity
from .taylor import taylor

__all__ = ["ProgramDrawing", "linearization", "program", "sparsity", "taylor"]
