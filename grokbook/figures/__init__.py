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
    opening   accuracies and spectrum of one run under one slider
    snapshot  one run at one moment of its training: accuracy so far, and bars
    maps      the logits in two dimensions
    tables    the numbers at the end
    balance   cosines against sines
    twins     test pairs that could be looked up
    coordinates           layers over the coordinates in which operations are sums
    coordinate_tables     the same in numbers
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
    grid      Table 5: operations against fractions, from outcomes of runs
    grid_tables        the same counted, beside the paper's
    teaching  small figures of the workshops
"""

from __future__ import annotations

from grokbook.figures.balance import balance_scatter, balance_table
from grokbook.figures.coordinate_tables import (
    coordinate_summary,
    frequency_table,
    leading_table,
    parity_table,
    restriction_table,
)
from grokbook.figures.coordinates import coordinate_chart, coordinate_spectra, readable
from grokbook.figures.curves import accuracy_curves, accuracy_panels, other_measures, progress_measures
from grokbook.figures.grid import outcome_grid
from grokbook.figures.grid_tables import (
    agreement_table,
    delay_table,
    disagreement_table,
    fraction_table,
    grid_counts,
    kind_outcome_table,
    origin_table,
    repeat_table,
)
from grokbook.figures.groups import Group, best_accuracies, by_operation, grok_steps, part
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
from grokbook.figures.opening import opening
from grokbook.figures.restricted import ablated_losses, dissect, losses_over_training, restricted_by_count
from grokbook.figures.restricted_tables import (
    dependent_table,
    key_threshold_table,
    restricted_ratio_table,
    restricted_table,
    shares_table,
)
from grokbook.figures.snapshot import snapshot
from grokbook.figures.spectra import layer_spectra, overview, spectrogram
from grokbook.figures.style import LAYERS, PLAIN_LAYERS, Layer
from grokbook.figures.tables import (
    halfway_table,
    outcome_table,
    paper_table,
    seed_table,
    spectra_table,
    table,
    threshold_table,
)
from grokbook.figures.taxonomy import formula_table, kind_table, taxonomy_table
from grokbook.figures.teaching import by_frequency, circle, task_table
from grokbook.figures.transfers import (
    coordinate_transfer_counts,
    coordinate_transfer_table,
    speed_up_table,
    transfer_counts,
    transfer_grid,
    transfer_table,
)
from grokbook.figures.twins import mirror_table, paper_mirror_table, twin_table
from grokbook.figures.verdicts import claim_section, claims_table, criteria_table
from grokbook.operations import pretty

__all__ = [
    "LAYERS",
    "PLAIN_LAYERS",
    "Group",
    "Layer",
    "Task",
    "ablated_losses",
    "accuracy_curves",
    "accuracy_panels",
    "agreement_table",
    "balance_scatter",
    "balance_table",
    "best_accuracies",
    "by_frequency",
    "by_operation",
    "circle",
    "claim_section",
    "claims_table",
    "coordinate_chart",
    "coordinate_spectra",
    "coordinate_summary",
    "coordinate_transfer_counts",
    "coordinate_transfer_table",
    "criteria_table",
    "delay_table",
    "dependent_table",
    "disagreement_table",
    "dissect",
    "formula_table",
    "fraction_table",
    "frequency_table",
    "grid_counts",
    "grok_steps",
    "halfway_table",
    "histogram_table",
    "key_threshold_table",
    "kind_outcome_table",
    "kind_table",
    "label_entropies",
    "label_findings",
    "label_kl",
    "layer_spectra",
    "leading_table",
    "logit_map",
    "logit_maps",
    "losses_over_training",
    "map_correlation_table",
    "mapped",
    "mirror_table",
    "mixture_accuracy",
    "mixture_findings",
    "mixture_table",
    "mixture_tasks",
    "modulus_accuracy",
    "modulus_labels_table",
    "modulus_table",
    "opening",
    "origin_table",
    "other_measures",
    "outcome_grid",
    "outcome_table",
    "outcomes_of",
    "overview",
    "paper_mirror_table",
    "paper_table",
    "parity_table",
    "part",
    "pretty",
    "progress_measures",
    "readable",
    "repeat_table",
    "restricted_by_count",
    "restricted_ratio_table",
    "restricted_table",
    "restriction_table",
    "seed_table",
    "separation_table",
    "shares_table",
    "snapshot",
    "spectra_table",
    "spectrogram",
    "speed_up_table",
    "stored_table",
    "sweep_commands",
    "table",
    "task_table",
    "taxonomy_table",
    "threshold_table",
    "transfer_counts",
    "transfer_grid",
    "transfer_table",
    "twin_table",
]
