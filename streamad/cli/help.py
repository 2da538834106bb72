"""Help pages that begin with examples, which is what people copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose epilog holds its examples, one a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Usage, examples, description, options."""
        _examples_first(self, ctx, formatter)


class Group(TyperGroup):
    """A group of commands whose epilog holds its examples, one a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Usage, examples, description, options, commands."""
        _examples_first(self, ctx, formatter)


def group(text: str, *examples: str, **options: Any) -> typer.Typer:
    """A group of commands.

    Parameters
    ----------
    text : str
        What it is for.
    *examples : str
        Command lines.
    **options
        Of ``typer.Typer``.
    """
    return typer.Typer(
        cls=Group,
        help=text,
        epilog="\n".join(examples),
        no_args_is_help=True,
        rich_markup_mode=None,
        **options,
    )


def command(
    app: typer.Typer, name: str, *examples: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator that adds a function to a group, with examples on its help page."""
    return app.command(name, cls=Command, epilog="\n".join(examples))


def _examples_first(shown: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    for parameter in shown.params:
        parameter.show_envvar = False  # type: ignore[attr-defined]  # one rule for all, told once
    shown.format_usage(ctx, formatter)
    if shown.epilog:
        formatter.write("\nExamples:\n")
        for line in shown.epilog.splitlines():
            formatter.write(f"  {line}\n")
    shown.format_help_text(ctx, formatter)
    shown.format_options(ctx, formatter)
