import numpy as np
import pytest
import torch

from grokbook import figures, fourier

K = 15


def layer(*waves: tuple[int, float]) -> torch.Tensor:
    """A layer of cosines, each by its frequency and its norm, in a channel of its own."""
    return torch.stack([norm * fourier.basis(2 * K + 1)[2 * k - 1] for k, norm in waves], dim=1)


def test_cosines_stand_upwards_and_sines_downwards():
    spectrum = fourier.spectrum(torch.randn(2 * K + 1, 4, generator=torch.Generator().manual_seed(0)))
    cosine, sine = figures.bars(spectrum).data
    assert list(cosine.x) == list(sine.x) == list(range(1, K + 1))
    np.testing.assert_array_equal(cosine.y, spectrum.cosine)
    np.testing.assert_array_equal(sine.y, -spectrum.sine)
    assert sine.marker.pattern.shape, "hatched"


def test_every_spectrum_has_a_plot_of_its_own_with_its_numbers_in_the_caption():
    spectra = {"few": fourier.spectrum(layer((3, 2.0), (7, 1.5))), "one": fourier.spectrum(layer((5, 1.0)))}
    figure = figures.bars(spectra, name="two", title="Two layers")
    assert [trace.yaxis for trace in figure.data] == ["y", "y", "y2", "y2"]
    assert figure.layout.yaxis.range == pytest.approx((-2.1, 2.1))
    meta = figure.layout.meta
    assert (meta["name"], meta["title"]) == ("two", "Two layers")
    assert "few: FFS 0.07, FCR 0.87, 2 of 15 frequencies above half of the largest (k = 3, 7)" in meta["caption"]
    assert "one: FFS 0.03, FCR 0.93, 1 of 15 frequencies above half of the largest (k = 5)" in meta["alt"]


def test_nothing_and_many_times_at_once_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        figures.bars({})
    with pytest.raises(ValueError, match="one spectrum at a time"):
        figures.bars(fourier.Spectrum.of_rows(torch.ones(3, 2 * K + 1)))
