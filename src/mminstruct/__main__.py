"""`python -m mminstruct`, the same as the command `mminstruct`."""

from mminstruct.cli import main

main()
