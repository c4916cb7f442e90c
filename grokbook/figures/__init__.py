"""Plotly figures and tables from runs, and from operations alone: each a pure function of what it is given.

Every figure carries ``layout.meta`` with a ``name``, a ``caption`` that says what it shows, with numbers taken from
the runs, and ``alt``, a text for readers who do not see it. Colours are safe for colour-blind readers, and nothing is
told by colour alone. Backgrounds and text colours are left to the page.

What is where; a module imports only from those above it:

    style     colours, dashes, names, the step axis, sizes, and the texts in ``layout.meta``
    groups    runs under the label they are drawn with, their curves, and how they ended in words
    sliders   frames over training, with a slider and a play button
    curves    accuracy, FFS and FCR of many runs against step
    spectra   the layers of one run in the Fourier basis: bars, spectrograms
    maps      the logits in two dimensions
    tables    the numbers at the end
    missing   which runs are stored, and what trains the others
    points    runs as points against a number of theirs
    mixtures  several operations in one run, each beside the same one alone
    modulus   one operation at several moduli (with counts from labels)
    transfers a grid of runs with and without pre-grokked modules
    verdicts  the paper's claims, and what became of them
    labels    label distributions of many operations, without runs
    taxonomy  operations by their formulas, beside the paper's words
    restricted         logits taken apart: ablated and restricted losses
    restricted_tables  the same in numbers, beside the paper's
"""

from __future__ import annotations

from grokbook.figures.curves import accuracy_curves, accuracy_panels, progress_measures
from grokbook.figures.groups import Group, by_operation, part
from grokbook.figures.labels import (
    histogram_table,
    label_entropies,
    label_findings,
    label_kl,
    outcomes_of,
    separation_table,
)
from grokbook.figures.maps import logit_map, logit_maps, map_correlation_table, mapped
from grokbook.figures.missing import stored_table, sweep_commands
from grokbook.figures.mixtures import Task, mixture_accuracy, mixture_findings, mixture_table, mixture_tasks
from grokbook.figures.modulus import modulus_accuracy, modulus_labels_table, modulus_table
from grokbook.figures.restricted import ablated_losses, dissect, restricted_by_count
from grokbook.figures.restricted_tables import (
    dependent_table,
    key_threshold_table,
    restricted_ratio_table,
    restricted_table,
    shares_table,
)
from grokbook.figures.spectra import layer_spectra, overview, spectrogram
from grokbook.figures.style import LAYERS, PLAIN_LAYERS, Layer, pretty
from grokbook.figures.tables import halfway_table, outcome_table, paper_table, spectra_table, table, threshold_table
from grokbook.figures.taxonomy import formula_table, kind_table, taxonomy_table
from grokbook.figures.transfers import Cell, transfer_grid
from grokbook.figures.verdicts import claim_section, claims_table, criteria_table, verdict_counts

__all__ = [
    "LAYERS",
    "PLAIN_LAYERS",
    "Cell",
    "Group",
    "Layer",
    "Task",
    "ablated_losses",
    "accuracy_curves",
    "accuracy_panels",
    "by_operation",
    "claim_section",
    "claims_table",
    "criteria_table",
    "dependent_table",
    "dissect",
    "formula_table",
    "halfway_table",
    "histogram_table",
    "key_threshold_table",
    "kind_table",
    "label_entropies",
    "label_findings",
    "label_kl",
    "layer_spectra",
    "logit_map",
    "logit_maps",
    "map_correlation_table",
    "mapped",
    "mixture_accuracy",
    "mixture_findings",
    "mixture_table",
    "mixture_tasks",
    "modulus_accuracy",
    "modulus_labels_table",
    "modulus_table",
    "outcome_table",
    "outcomes_of",
    "overview",
    "paper_table",
    "part",
    "pretty",
    "progress_measures",
    "restricted_by_count",
    "restricted_ratio_table",
    "restricted_table",
    "separation_table",
    "shares_table",
    "spectra_table",
    "spectrogram",
    "stored_table",
    "sweep_commands",
    "table",
    "taxonomy_table",
    "threshold_table",
    "transfer_grid",
    "verdict_counts",
]
