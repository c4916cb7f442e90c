from . import workshop as workshop
