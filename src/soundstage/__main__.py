"""`python -m soundstage`, the same as the `soundstage` command."""

from soundstage.cli.main import main

if __name__ == "__main__":
    main()
