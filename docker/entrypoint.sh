#!/bin/sh
# The `faceblur` of the images.

# Folders and claims stay writable for the group, so that containers of several users can work on one job.
umask 0002

# Process 1 ignores signals until it handles them: without an init, stopping a container that has just started would hang.
if [ $$ -eq 1 ]; then
  exec tini -- /opt/faceblur/bin/faceblur "$@"
fi
exec /opt/faceblur/bin/faceblur "$@"
