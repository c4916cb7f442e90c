from . import estimates as estimates
from . import replay as replay
from . import sweeps as sweeps
from .store import RunStore as RunStore
from .store import default_store as default_store
