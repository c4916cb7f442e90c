"""The operations of the paper's Table 5."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grokbook.data.operations import Polynomial
from grokbook.data.polynomials import Kind

CATALOGUE: Final[Mapping[Kind, tuple[Polynomial, ...]]] = MappingProxyType(
    {
        kind: tuple(map(Polynomial.parse, names.split()))
        for kind, names in {
            Kind.ELEMENTARY: "a+b a-b ab",
            Kind.LINEAR: "2a+b 2a-b 2a+3b 2a-3b",
            Kind.CROSS: "ab+a+b ab+b ab-b",
            Kind.UNIVARIATE: "a^2+b a^2-b a^3+2b a^3-2b",
            Kind.CROSS_HIGH: "a^2+ab+b^2 a^2+ab+b^2+a a^3+ab a^3+ab^2+b",
            Kind.POWER_SUM: "a^2+b^2 a^2-b^2 a^3+b^3 a^4+b^4 a^5+b^5 a^6+b^6 a^7+b^7",
            Kind.FACTORIZABLE: "(a+b)^2 (a+b)^2+a+b (a-b)^2 (a+b)^3 (a-b)^3 (a+b)^4 (a-b)^4 (a+b)^5 (a+b)^6 (a+b)^7",
        }.items()
    }
)
"""The 35 operations of the paper's Table 5, in the order of its groups. Its 42 columns are these, six of them
once more with a pre-grokked module, and a²-b² once more as factorizable. Which sums of powers and which
factorizable polynomials it holds is a reconstruction: the published text gives only their groups and numbers.
"""
