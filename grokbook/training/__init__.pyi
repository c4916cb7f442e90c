from . import engine as engine
from . import estimates as estimates
from . import record as record
from . import replay as replay
from . import sweeps as sweeps
from .store import RunStore as RunStore
from .store import default_store as default_store
