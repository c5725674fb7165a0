"""`torchlean check` in the list of commands; the checker reads its own options."""


def add_to(commands) -> None:
    commands.add_parser(
        "check",
        help="re-derive the claims of certificates (the same as torchlean-check)",
    )
