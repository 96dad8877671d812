"""The report's entry, and what importing the page costs."""

import subprocess
import sys

import pytest
import specimen

from qgen.report import report
from qgen.settings.report import ReportConfig


def test_the_entry_says_where_the_page_lies(tmp_path, capsys):
    home = specimen.stage(tmp_path / "r" / "sft")
    config = ReportConfig([str(home)], str(tmp_path / "out.html"))
    config.check()
    report(config, tmp_path, {})
    assert str(tmp_path / "out.html") in capsys.readouterr().out
    with pytest.raises(ValueError, match="paths says which runs"):
        ReportConfig([]).check()
    with pytest.raises(ValueError, match="there is no directory"):
        ReportConfig([str(tmp_path / "nowhere")]).check()


def test_the_page_needs_no_torch():
    code = (
        "import sys, qgen.reporting.page; assert 'torch' not in sys.modules; assert 'transformers' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
