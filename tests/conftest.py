"""What every test needs: one thread, so that workers do not fight, and examples free of the clock."""

import torch
from hypothesis import settings

torch.set_num_threads(1)

# Shared machines stall; a deadline would report that as a failure. Random test order needs a fixed
# set of examples, or a failure could not be repeated from the printed seed.
settings.register_profile("grokbook", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("grokbook")
