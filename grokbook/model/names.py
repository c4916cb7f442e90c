"""Names of the model's weight matrices, and which of them the paper transplants together."""

from collections.abc import Mapping

WEIGHTS = ("W_E", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U")
"""The fields of :class:`grokbook.model.weights.Weights`, in their order."""
EMBEDDING = ("W_E",)
"""What a pre-grokked-embedding (PG-E) run takes from its source (paper §4)."""
TRANSFORMER = ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out")
"""What a pre-grokked-transformer (PG-T) run takes from its source: attention and MLP; W_E and W_U are trained."""
MODULES: Mapping[str, tuple[str, ...]] = {"PG-E": EMBEDDING, "PG-T": TRANSFORMER}
"""The paper's names of what is transplanted."""


def name_of(weights: tuple[str, ...]) -> str:
    """The paper's name of some weights that are transplanted, or their own joined by "+" where it has none."""
    return next((name for name, module in MODULES.items() if module == weights), "+".join(weights))
