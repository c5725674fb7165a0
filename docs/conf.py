"""Sphinx configuration. `make docs` builds with warnings as errors.

Pages are MyST Markdown; cells marked `{code-cell}` are executed, and a cell that fails
fails the build. `coverage.md` is generated (`make coverage`), never edited.
"""

import re
from importlib.metadata import version as version_of

project = "torchlean-jax"
author = "the torchlean-jax authors"
project_copyright = f"2026, {author}"
release = version = version_of("torchlean-jax")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"torchlean-jax {release}"

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

# Docstrings say `name` for code, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88


def _as_written(_app, _what, _name, _obj, _options, lines):
    """The prose of a docstring, made safe for reStructuredText; examples stay.

    |x| is a magnitude there, not a substitution; x* and x_ are names, not markup; and a
    line that is indented further is set off, whether or not a blank line stands before.
    """
    written, in_example, before = [], False, ""
    for line in lines:
        in_example = line.lstrip().startswith(">>>") or (in_example and line != "")
        if not in_example:
            outside = re.split(r"(`[^`]*`)", line)
            outside[::2] = [_plain(part) for part in outside[::2]]
            if before and line and _indent(line) != _indent(before):
                written.append("")
            line = "".join(outside)
        written.append(line)
        before = line
    lines[:] = written


def _plain(text):
    trailing, leading = r"(?<=\w)[*_](?!\w)", r"(?<=[\s*])\*(?=\w)|\*(?=\*\w)"
    return re.sub(rf"\||{trailing}|{leading}", r"\\\g<0>", text)


def _indent(line):
    """Where the text of a line starts, the mark of a list item not counted as text."""
    return re.match(r"\s*(?:[*-] |\d+\. |:.*: )?", line).end()


def setup(app):
    # After napoleon (priority 500), which reads sections from the untouched text.
    app.connect("autodoc-process-docstring", _as_written, priority=600)
