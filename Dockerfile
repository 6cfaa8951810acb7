# One image for every process; the command decides which one it is.
FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt constraints.txt ./
RUN python -m venv /opt/gateway-venv \
 && /opt/gateway-venv/bin/pip install -q -r requirements.txt -c constraints.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/gateway-venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home gateway
COPY --from=packages /opt/gateway-venv /opt/gateway-venv
WORKDIR /srv/gateway
COPY . .
# The hashed names of the static files belong to the image, so that every copy serves the same ones.
# The values below only let the production settings load; nothing is contacted and nothing is kept.
RUN DATABASE_URL=postgres://build/build BROKER_URL=amqp://build CACHE_URL=redis://build \
    SECRET_KEY=build FIELD_ENCRYPTION_KEYS=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= GATEWAY_VAR=/tmp/build \
    python manage.py collectstatic --no-input \
 && install -d -o gateway -g gateway /var/lib/gateway
USER gateway
ENV GATEWAY_VAR=/var/lib/gateway
EXPOSE 8080 2775 3550
CMD ["gunicorn", "gateway_project.asgi:application", "-k", "common.http_server.Worker", \
     "--bind", "0.0.0.0:8080", "--workers", "1", "--preload", "--no-control-socket", "--max-requests", "0", \
     "--timeout", "60", "--forwarded-allow-ips=", "--worker-tmp-dir", "/dev/shm"]
