"""The pages of the reference that nobody types: mkdocs runs this (mkdocs.yml, hooks) before it reads the others."""

from typing import Any

from mkdocs.structure.files import File, Files
from results import measured, read
from schemas import configuration, groups


def on_files(files: Files, config: Any) -> Files:
    """mkdocs' hook: add the generated pages."""
    for page in (configuration, groups, measured, read):
        files.append(File.generated(config, f"reference/{page.__name__}.md", content=page()))
    return files
