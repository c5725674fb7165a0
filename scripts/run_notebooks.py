"""Runs every notebook, and checks that the two halves of each pair agree.

A notebook is a pair: `notebooks/NAME.py` (the text that is edited and reviewed) and
`notebooks/NAME.ipynb` (what Colab opens). `jupytext --sync notebooks/NAME.py` updates
the second from the first. Each runs in a fresh kernel, in under two minutes on a CPU.
"""

import sys
import time
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
BUDGET_SECONDS = 120


def cells(notebook):
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def fault_of(text: Path) -> str | None:
    """What is wrong with the notebook whose text half is `text`, if anything is."""
    notebook = jupytext.read(text)
    pair = text.with_suffix(".ipynb")
    if not pair.exists() or cells(jupytext.read(pair)) != cells(notebook):
        return f"{pair.name} does not agree; run `jupytext --sync {text}`"
    client = NotebookClient(
        notebook,
        timeout=BUDGET_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(text.parent)}},
    )
    start = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        return str(error)
    seconds = time.perf_counter() - start
    print(f"{text.name}: {seconds:.0f} s", flush=True)
    if seconds > BUDGET_SECONDS:
        return f"took {seconds:.0f} s; the budget is {BUDGET_SECONDS} s"
    return None


def main() -> int:
    texts = [Path(name).resolve() for name in sys.argv[1:]]
    texts = texts or sorted(NOTEBOOKS.glob("*.py"))
    faults = {text.name: fault for text in texts if (fault := fault_of(text))}
    for name, fault in faults.items():
        print(f"{name}: {fault}", file=sys.stderr)
    print(f"{len(texts) - len(faults)} of {len(texts)} notebooks run")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
