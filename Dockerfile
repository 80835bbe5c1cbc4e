# The packages are installed in a stage of their own: pip's settings and cache stay out of the image.
# A package index other than PyPI is named from outside: --build-arg PIP_INDEX_URL=…
FROM python:3.13-slim AS packages
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY requirements/runtime.txt /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --require-hashes --only-binary :all: --no-cache-dir \
        --disable-pip-version-check -q -r /tmp/runtime.txt \
    && /opt/venv/bin/python -m pip uninstall --disable-pip-version-check -q -y pip

FROM python:3.13-slim
# The number is fixed: it is what the files on the volume belong to.
RUN groupadd --gid 10001 weatherbeat \
    && useradd --uid 10001 --gid weatherbeat --no-create-home --home-dir /data weatherbeat \
    && install -d -o weatherbeat -g weatherbeat /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/weatherbeat
COPY . .
RUN python -m compileall -q .
# REMAP_SIGTERM: on SIGTERM, a worker hands its tasks back when they take too long, where it would wait for them.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/data \
    MPLCONFIGDIR=/tmp/matplotlib \
    REMAP_SIGTERM=SIGQUIT
USER weatherbeat
VOLUME /data
CMD ["celery", "-A", "app", "worker", "--loglevel", "INFO"]
