"""Names of the files of a run's folder, and what its provenance says of its end."""

CONFIG = "config.json"
HISTORY = "history.parquet"
SPECTRA = "spectra.safetensors"
WEIGHTS = "weights.safetensors"
PROVENANCE = "provenance.json"
STOPPED_BY_BUDGET = "step budget"
"""What a provenance says of a run that would go on with a larger one."""
