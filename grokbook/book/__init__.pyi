from . import pages as pages
from . import workshop as workshop
