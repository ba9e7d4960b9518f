{{- /* Blocks of YAML from the chart's values. Each takes (list . "COMPONENT"); the component is usersvc, edge, postgres or sidecar. */}}

{{- define "usersvc.image" -}}
{{- $values := (index . 0).Values }}
{{- with index $values (index . 1) }}
{{- required "image.registry is required: set the registry and path that hold the images" $values.image.registry }}/{{ index $ 1 }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ $values.image.tag | default (index $ 0).Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* The operator's number, or else the current one, so that an upgrade does not undo kubectl scale or an autoscaler. */}}
{{- define "usersvc.replicas" }}
{{- $bounds := dig "autoscaling" (index . 1) dict (index . 0).Values.AsMap }}
{{- if gt (int $bounds.minReplicas) (int $bounds.maxReplicas) }}
{{- fail (printf "autoscaling.%s.minReplicas is greater than maxReplicas: lower it, or raise maxReplicas" (index . 1)) }}
{{- end }}
{{- $replicas := (index (index . 0).Values (index . 1)).replicas }}
{{- if or $bounds (kindIs "invalid" $replicas) }}
{{- $replicas = lookup "apps/v1" "Deployment" (index . 0).Release.Namespace (index . 1) | dig "spec" "replicas" (empty $bounds | ternary (eq (index . 1) "edge" | ternary 2 3) nil) }}
{{- end }}
{{- if not (kindIs "invalid" $replicas) -}}
replicas: {{ $replicas }}
{{- end }}
{{- end }}

{{- define "usersvc.resources" -}}
resources: {{- index (index . 0).Values (index . 1) "resources" | toYaml | nindent 2 }}
{{- end }}

{{- define "usersvc.scheduling" }}
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- $values := index (index . 0).Values (index . 1) }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $values $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "usersvc.podLabels" }}
{{- with (index (index . 0).Values (index . 1)).podLabels }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "usersvc.podAnnotations" }}
{{- with (index (index . 0).Values (index . 1)).podAnnotations }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "usersvc.serviceAccountAnnotations" }}
{{- with (index (index . 0).Values (index . 1)).serviceAccountAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "usersvc.serviceAnnotations" }}
{{- with (index . 0).Values.edge.service.annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* With Kubernetes' default, Cluster, the edge would see nodes' addresses, and limit all clients of a node together. */}}
{{- define "usersvc.serviceOptions" }}
{{- $values := (index . 0).Values }}
{{- $default := ternary dict (dict "externalTrafficPolicy" "Local") (or (hasKey $values "gateway") (eq $values.edge.service.type "ClusterIP")) }}
{{- with mergeOverwrite $default $values.edge.service.options }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "usersvc.settings" }}
{{- with (index (index . 0).Values (index . 1)).settings }}
data: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* A random secret, or the one that version 1 of this chart made. It needs a cluster, because without one every rendering would make a new secret. */}}
{{- define "usersvc.secret" }}
{{- $_ := (lookup "v1" "Namespace" "" "kube-system").kind | required "there is no cluster to read the existing secrets from: set usersvc.existingSecret and postgres.existingSecret, or use --dry-run=server" }}
{{- lookup "v1" "Secret" (index . 0).Release.Namespace "usersvc-secrets" | dig "data" (index . 1) (randAlphaNum 32 | b64enc) | quote }}
{{- end }}

{{- /* The API server's addresses. A NetworkPolicy cannot select it by labels, because it is not a pod. */}}
{{- define "usersvc.apiServer" -}}
{{- $cidrs := (index . 0).Values.networkPolicy.apiServerCidrs | default list }}
{{- if not $cidrs }}
{{- range (lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes").endpoints }}
{{- range .addresses }}
{{- $cidrs = append $cidrs (printf "%s/%s" . (contains ":" . | ternary "128" "32")) }}
{{- end }}
{{- end }}
{{- end }}
{{- $_ := first $cidrs | required "there is no cluster to read the API server's addresses from: set networkPolicy.apiServerCidrs, or use --dry-run=server" -}}
to:
{{- range $cidrs }}
  - ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
