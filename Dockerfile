# Faceblur without a GPU.
#   docker build -t faceblur .                              everything
#   docker build -t faceblur:media --target media .         split, assemble, status: a third of the size
# Behind a package mirror add --build-arg PIP_INDEX_URL=...

FROM debian:bookworm-slim AS base
# Debian keeps only the newest build of each package, so a pinned version would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv tini \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
# A container started with --user has no home folder: /tmp is the one place that any user can write to.
ENV LANG=C.UTF-8 HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
ARG PIP_INDEX_URL
COPY docker/constraints.txt docker/install.sh /opt/faceblur/docker/
RUN sh /opt/faceblur/docker/install.sh media

FROM base AS wheel
ARG PIP_INDEX_URL
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN sh /opt/faceblur/docker/install.sh wheel

FROM base AS media
COPY docker/entrypoint.sh /usr/local/bin/faceblur
COPY --from=wheel /wheel /wheel
RUN sh /opt/faceblur/docker/install.sh app && chmod 755 /usr/local/bin/faceblur
# DEBUG=1, THRESHOLD=0.3 and the like are options only inside the images, where nothing else uses these names.
ENV FACEBLUR_IMAGE=1 FACEBLUR_INPUT=/input FACEBLUR_OUTPUT=/output
USER 1000:1000
ENTRYPOINT ["faceblur"]

FROM base AS models
ARG PIP_INDEX_URL
RUN sh /opt/faceblur/docker/install.sh cpu

FROM models AS faceblur
ARG PIP_INDEX_URL
COPY docker/entrypoint.sh /usr/local/bin/faceblur
COPY --from=wheel /wheel /wheel
# Weights put into docker/weights are used as they are; what the presets still lack is fetched here, once. Without
# CenterFace there is no image; for all others the presets have substitutes or say what is missing.
COPY docker/weights /opt/faceblur/weights
ENV FACEBLUR_WEIGHTS=/opt/faceblur/weights
RUN sh /opt/faceblur/docker/install.sh app && chmod 755 /usr/local/bin/faceblur \
 && faceblur weights fetch centerface \
 && { faceblur weights fetch || echo 'the presets will say so and go on without what is missing' >&2; } \
 && chmod -R a+rX "$FACEBLUR_WEIGHTS"
ENV FACEBLUR_IMAGE=1 FACEBLUR_INPUT=/input FACEBLUR_OUTPUT=/output TF_CPP_MIN_LOG_LEVEL=2 ORT_DISABLE_TELEMETRY=1
USER 1000:1000
ENTRYPOINT ["faceblur"]
