from . import pages as pages
from . import predictor as predictor
from . import workshop as workshop
