from . import estimates as estimates
from . import replay as replay
from . import sweeps as sweeps
from .ensure import RunStore as RunStore
from .ensure import default_store as default_store
from .train import TextbookState as TextbookState
from .train import textbook_step as textbook_step
