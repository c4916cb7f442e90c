"""Checksums of run folders, and folders of the first form."""

import hashlib
import json
from pathlib import Path

from grokbook import Run, runs
from grokbook.runs.run import HISTORY, MAPS, OLD_SPECTRA, PROVENANCE, SPECTRA


def reseal(folder: Path) -> None:
    """Record the checksums anew, as someone would who wanted the damage to go unnoticed."""
    facts = json.loads((folder / PROVENANCE).read_text())
    files = set(facts["sha256"]) - {PROVENANCE}
    facts["sha256"] |= {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    (folder / PROVENANCE).write_text(json.dumps(facts))


def as_of_old(folder: Path, run: Run) -> str:
    """Give the folder of a run the files that the first published runs had, and say which holds its spectra."""
    for file in (SPECTRA, MAPS, PROVENANCE):
        (folder / file).unlink(missing_ok=True)
    run.history.to_parquet(folder / HISTORY, index=False)
    runs.save_tensors(run.spectra._asdict(), folder / OLD_SPECTRA)
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    checksums[PROVENANCE] = hashlib.sha256(json.dumps(run.provenance, sort_keys=True).encode()).hexdigest()
    (folder / PROVENANCE).write_text(json.dumps({**run.provenance, "sha256": checksums}))
    return OLD_SPECTRA
