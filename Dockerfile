# Listener in a container: built in one stage from locked packages, run in the next without compiler or pip, as uid 65532, with
# the root file system read-only. docs/install-container.md is the manual.
#
#   docker build -t listener .
#   docker build --build-arg PYTHON=python:3.13-slim@sha256:… --build-arg COMMIT=$(git rev-parse HEAD) -t listener .
#
# PYTHON: the base image, by digest where a build must be repeatable. COMMIT: what `listener --version` names. SDISTS: packages of the
# lock that are published as source only, to be built here (dkimpy, for the extra dkim).
ARG PYTHON=python:3.13-slim

# Builds nothing: names the default base where tools look for names (mirrors, scanners, update bots).
FROM python:3.13-slim AS default-base

FROM ${PYTHON} AS build
ARG SDISTS=:none:
COPY requirements.lock requirements-build.lock /src/
# Wheels only, unless SDISTS says more: nothing of a stranger's is run or compiled here; a package of which one octet differs is refused.
RUN python -m venv --without-pip /opt/listener \
 && python -m venv /tools \
 && /tools/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile \
      --require-hashes --only-binary :all: -r /src/requirements-build.lock \
 && /tools/bin/python -m pip wheel --no-cache-dir --disable-pip-version-check --no-build-isolation -w /locked \
      --require-hashes --only-binary :all: --no-binary "${SDISTS}" --no-deps -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY listener /src/listener
# From here on nothing comes over the network.
RUN /tools/bin/python -m pip wheel --disable-pip-version-check --no-index --no-build-isolation --no-deps -w /wheels /src \
 && /tools/bin/python -m pip --python /opt/listener/bin/python install --disable-pip-version-check --no-index --no-deps \
      --no-compile /locked/*.whl /wheels/*.whl \
 && find /opt/listener -name '*.pyi' -delete \
 && find /opt/listener -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} + \
 && /opt/listener/bin/python -m compileall -q -j 0 /opt/listener/lib

FROM ${PYTHON}
ARG COMMIT=""
LABEL org.opencontainers.image.title="listener" \
      org.opencontainers.image.description="Turns mailboxes into cases" \
      org.opencontainers.image.documentation="docs/install-container.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${COMMIT}"
# The base brings a package manager of its own; what can be installed by nobody cannot be misused by anybody.
RUN find / -xdev \( -path /proc -o -path /sys \) -prune -o \( -path '*/python3*/*-packages/pip*' -o -path '*/python3*/ensurepip' \
      -o -path '*/bin/pip*' -o -path '/usr/share/python-wheels' \) -prune -exec rm -rf {} + \
 && install -d -o 65532 -g 65532 -m 0700 /var/lib/listener /var/lib/listener-begun
COPY --from=build /opt/listener /opt/listener
ENV PATH=/opt/listener/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    LISTENER_CONFIG=/etc/listener/listener.toml LISTENER_COMMIT=${COMMIT}
USER 65532:65532
VOLUME /var/lib/listener
EXPOSE 8025 8026
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/opt/listener/bin/listener", "health", "--live"]
ENTRYPOINT ["/opt/listener/bin/listener"]
CMD ["run"]
