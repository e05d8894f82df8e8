# A container that keeps the tracker alive; another program: give its command behind `watchdog run --`.
#
#     docker build -t tracker-watchdog .
#     docker run -d --name tracker -v tracker-data:/data --restart unless-stopped --stop-timeout 30 tracker-watchdog
#     docker exec tracker watchdog status

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY watchdog_cli watchdog_cli
COPY watchdog_kit watchdog_kit
COPY tracker tracker
# A wheel first, so that the image holds what a release holds, and nothing of the checkout. Its version is not pinned
# (DL3013): it is the one that was just made.
# hadolint ignore=DL3013
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/watchdog \
    && wheel="$(echo /wheels/*.whl)" \
    && pip --python /opt/watchdog/bin/python install --no-cache-dir "${wheel}[web,metrics,forensics]"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/watchdog /opt/watchdog
COPY deploy/run-with-page.sh /usr/local/bin/run-with-page
# By number, for Kubernetes wants to see that it is not 0. Group 0, as some clusters give each pod a number of its own.
# chmod here and not with COPY: Debian 12's own Docker builds without BuildKit, which COPY --chmod needs.
RUN chmod 0755 /usr/local/bin/run-with-page \
    && groupadd --gid 10001 watchdog \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin --no-log-init watchdog \
    && install --directory --owner 10001 --group 0 --mode 0770 /data
ENV PATH=/opt/watchdog/bin:$PATH
USER 10001:10001
WORKDIR /data
VOLUME /data
# Docker kills after 10 s unless told otherwise; as process 1 the watchdog is done after 8.
STOPSIGNAL SIGTERM
# The first beat may take as long as the silence that counts as a freeze: 2 minutes.
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 \
    CMD ["watchdog", "check", "--docker"]
# No ENTRYPOINT: `docker run IMAGE watchdog run -- OTHER PROGRAM` does what it says.
CMD ["watchdog", "run", "--", "python", "-m", "tracker"]
