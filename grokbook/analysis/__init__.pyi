from . import coordinates as coordinates
from . import labels as labels
from . import restricted as restricted
from . import restricted_history as restricted_history
from . import symmetry as symmetry
from .answers import logits as logits
