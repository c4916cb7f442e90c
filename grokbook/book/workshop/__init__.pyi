from . import beyond as beyond
from . import circuit as circuit
from . import watch as watch
from .verdicts import Verdict as Verdict
