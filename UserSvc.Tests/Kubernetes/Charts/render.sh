#!/usr/bin/env bash
# Renders the chart with each *.values.yaml into the *.rendered.yaml beside it, which the tests read where there is no Helm. The first line
# says of what: a changed chart needs it run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for values in *.values.yaml; do
  {
    printf '# sha256:%s\n' "$({ (cd ../../../deploy/helm && find . -type f | LC_ALL=C sort | xargs cat); cat "$values"; } | sha256sum | cut -d ' ' -f 1)"
    helm template usersvc ../../../deploy/helm --namespace usersvc --values "$values"
  } >"${values%.values.yaml}.rendered.yaml"
done
