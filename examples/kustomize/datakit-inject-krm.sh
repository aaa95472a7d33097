#!/bin/sh
# kustomize runs one file, without arguments.
exec datakit-inject krm
