# sh examples/fastapi_service/serve.sh /run/secrets/together/api-key
# Serves http://127.0.0.1:8000/ask?question=… with the key in that file, and metrics of all workers
# at http://127.0.0.1:9464/metrics.
set -eu
secret=${1:?'give the file that holds the key'}
case $secret in /*) ;; *) secret=$PWD/$secret ;; esac
cd "$(dirname "$0")"

TOGETHER_API_KEY=$(cat "$secret")
export TOGETHER_API_KEY
# If the key cannot work, the start ends here, with the cause and the remedy.
together-otel check

# The file is read again when it has changed, and when a key is refused.
export TOGETHER_OTEL_RECOVERY="file:$secret"
export OTEL_SERVICE_NAME=${OTEL_SERVICE_NAME:-ask}
export TOGETHER_OTEL_PROMETHEUS_PORT=${TOGETHER_OTEL_PROMETHEUS_PORT:-9464}
PROMETHEUS_MULTIPROC_DIR=$(mktemp -d)
export PROMETHEUS_MULTIPROC_DIR
# Metrics are served on the port above. Remove these lines if you have a collector.
export OTEL_TRACES_EXPORTER=${OTEL_TRACES_EXPORTER:-none}
export OTEL_METRICS_EXPORTER=${OTEL_METRICS_EXPORTER:-none}
export OTEL_LOGS_EXPORTER=${OTEL_LOGS_EXPORTER:-none}

# gunicorn reads gunicorn.conf.py in this directory.
exec opentelemetry-instrument gunicorn
