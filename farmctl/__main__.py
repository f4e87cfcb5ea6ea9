"""`python -m farmctl` is `farmctl`."""

from farmctl.cli.main import main

if __name__ == "__main__":
    main()
