"""A small workshop for tests: MyST text of one exercise, and ways to spoil it."""

import jupytext
from nbformat import NotebookNode

STATEMENT = """### Exercise 1.1 · Twice

★★☆ · 5 minutes

Double `x`.

<details>
<summary>Hint</summary>

Multiply by 2.

</details>
"""
CODE = """x = 21
### BEGIN SOLUTION
double = 2 * x
### END SOLUTION
check.twice(double, x)"""
HEAD = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A workshop

```{code-cell} ipython3
:tags: [parameters]

p = 7
```

"""
NOTE = """+++ {"tags": ["instructor"]}

<details>
<summary>For instructors</summary>

They add.

</details>

+++

"""


def exercise(code: str = CODE, statement: str = STATEMENT, tags: str = "exercise") -> str:
    """One exercise as MyST."""
    return f"{statement}\n```{{code-cell}} ipython3\n:tags: [{tags}]\n\n{code}\n```\n\n"


def source(*parts: str) -> str:
    """A whole notebook as MyST."""
    return HEAD + "".join(parts or (exercise(), NOTE, "The end.\n"))


def notebook(*parts: str) -> NotebookNode:
    """The same, read."""
    return jupytext.reads(source(*parts), fmt="md:myst")
