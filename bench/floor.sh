#!/usr/bin/env bash
# What each layer of the edge costs a request; takes edge.sh's options.
exec "$(dirname "${BASH_SOURCE[0]}")/edge.sh" --scenarios plain --proxies haproxy,nginx,invoker,yarp,edge0,edge "$@"
