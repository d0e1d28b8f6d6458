# syntax=docker/dockerfile:1
# Two images: `web` without torch, also for migrations, maintenance and beat; `worker` with torch.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    SMIMSO_ENV=production \
    SMIMSO_DATA_DIR=/data \
    HF_HOME=/models
RUN useradd --system --uid 10001 --no-create-home smimso \
    && install --directory --owner smimso /data /models
WORKDIR /app
# pip requires the file that pyproject.toml names; its text would only invalidate the layer's cache.
RUN touch README.md
COPY pyproject.toml constraints.txt ./
RUN pip install --constraint constraints.txt .

FROM base AS web
COPY . .
USER smimso
VOLUME /data
EXPOSE 5000
# With a host name in ALLOWED_HOSTS: Django answers 400 to any other.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["python", "-c", "\
import os, urllib.request as r; \
host = os.environ['SMIMSO_ALLOWED_HOSTS'].split(',')[0].strip('.'); \
r.urlopen(r.Request('http://127.0.0.1:5000/health', headers={'Host': host}), timeout=4)"]
# The options of smimso/local/processes.py.
CMD ["uvicorn", "smimso.asgi:application", "--host", "0.0.0.0", "--port", "5000", \
    "--timeout-graceful-shutdown", "3", "--no-proxy-headers"]

FROM base AS worker
# WORKER_ENVIRONMENT of smimso/local/processes.py.
ENV OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=10000 MALLOC_ARENA_MAX=2
# PyPI's torch is the CUDA build, which runs on a CPU too. A CPU build is gigabytes smaller:
# --build-arg PIP_EXTRA_INDEX_URL=(an index that has it)
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install --constraint constraints.txt ".[ai]"
COPY . .
USER smimso
VOLUME /data /models
# No health check: a solo worker answers no ping during a batch. /health lists the live workers,
# which publish their state in Redis.
CMD ["celery", "-A", "smimso", "worker", "--queues", "interactive,embed,caption,fill", \
    "--pool", "solo", "--concurrency", "1"]
