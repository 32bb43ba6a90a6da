# Listener in a container: built in one stage, run without compiler or pip in the next, as uid 65532, root file system read-only.
#   docker build -t listener .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL -v listener-state:/var/lib/listener -v ./listener.toml:/etc/listener/listener.toml:ro listener
FROM python:3.13-slim AS build
COPY . /src
RUN python -m venv /opt/listener \
 && /opt/listener/bin/pip install --no-cache-dir --disable-pip-version-check /src \
 && /opt/listener/bin/python -m compileall -q /opt/listener/lib \
 && /opt/listener/bin/pip uninstall -q -y pip

FROM python:3.13-slim
LABEL org.opencontainers.image.title="listener" \
      org.opencontainers.image.description="Turns mailboxes into cases" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/listener /opt/listener
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/listener
ENV PATH=/opt/listener/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
VOLUME /var/lib/listener
EXPOSE 8025 8026
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["listener", "health", "--live"]
ENTRYPOINT ["listener"]
CMD ["run", "--config", "/etc/listener/listener.toml"]
