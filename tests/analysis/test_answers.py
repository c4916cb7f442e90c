from dataclasses import replace

import pytest
import torch

from grokbook import analysis, model
from grokbook.data.tokens import op_tokens
from grokbook.errors import WeightsMissing


def test_logits_are_those_of_the_textbook_pass_at_each_pair(tiny_mixture):
    p = tiny_mixture.config.p
    for operation, token in enumerate(op_tokens(tiny_mixture.config.parsed_operations, p)):
        found = analysis.logits(tiny_mixture, operation)
        assert found.shape == (p, p, p)
        for a, b in ((0, 0), (1, 4), (p - 1, 2)):
            expected, _ = model.textbook_logits(tiny_mixture.weights, torch.tensor([[a, token, b]]))
            torch.testing.assert_close(found[a, b], expected[0, :p], rtol=1e-4, atol=1e-5)


def test_without_weights_there_is_no_answer(tiny_run):
    with pytest.raises(WeightsMissing):
        analysis.logits(replace(tiny_run, kept_weights=None))
