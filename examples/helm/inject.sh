#!/bin/sh
# A post-renderer of Helm: it reads the rendered manifests and prints them with the injections.
#
#   helm upgrade --install shop ./chart --namespace shop --post-renderer examples/helm/inject.sh
#
# Rendered manifests often name no namespace: Helm sets HELM_NAMESPACE to that of the release.
# DATAKIT_SETTINGS names the settings.
exec datakit-inject inject - \
  --settings "${DATAKIT_SETTINGS:-$(dirname "$0")/settings.yaml}" \
  --namespace "${HELM_NAMESPACE:-default}"
