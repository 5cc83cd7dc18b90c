"""The notebook and the gallery of the documents: the one runs from top to bottom, the other has every checkpoint."""

import json
import re
import sys
import time
from pathlib import Path

import pytest

from zoo.checkpoints import resolve

DOCS = Path(__file__).parent.parent / "docs"
NOTEBOOK = DOCS / "ganzoo.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_ten_cells_without_output():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert len(code_cells()) == 10
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert all(f"zoo.{name}(" in "".join(code_cells()) for name in ("project", "finetune", "diagnose", "card"))
    assert "label=" in "".join(code_cells())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Jupyter
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("GANZOO_NOTEBOOK_SECONDS", "10")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("JUPYTER_PATH", str(kernel(tmp_path / "jupyter")))
    notebook, start = nbformat.read(NOTEBOOK, 4), time.monotonic()
    nbclient.NotebookClient(
        notebook, timeout=180, kernel_name="here", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert time.monotonic() - start < 180  # seconds
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 5
    assert (tmp_path / "walk.gif").is_file()
    text = "".join(output.get("text", "") for output in shown)
    assert re.search(r"PSNR [\d.]+ dB", text)


def kernel(folder: Path) -> Path:
    """A folder of Jupyter with a kernel of this Python, whatever kernels the machine has."""
    spec = folder / "kernels" / "here"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "here", "language": "python"}))
    return folder


def test_the_gallery_has_every_checkpoint_that_ships():
    text = (DOCS / "gallery.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == resolve.shipped(), "run: python benchmarks/gallery.py"
