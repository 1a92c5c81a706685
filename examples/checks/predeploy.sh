# sh examples/checks/predeploy.sh [ENV_FILE]
#
# A step of a pipeline before a deployment: exits with 0 if Together accepts the key, which is
# TOGETHER_API_KEY of the environment or of ENV_FILE. An undetermined result also stops the
# deployment, unless DEPLOY_UNCHECKED=yes.
set -u

together-otel check --live ${1:+--env-file "$1"}
code=$?

if [ "$code" -eq 2 ] && [ "${DEPLOY_UNCHECKED-}" = yes ]; then
  echo "Going on without an answer: DEPLOY_UNCHECKED=yes." >&2
  exit 0
fi
if [ "$code" -ne 0 ]; then
  echo "Not deployed: together-otel check ended with $code." >&2
fi
exit "$code"
