"""`python -m faceblur`."""

from faceblur.cli import main

main()
